"""What a rule would have said of recorded engagements."""

from __future__ import annotations

from typing import Any

import msgspec

from streams.alerts.history import STEP_S, Trial
from streams.alerts.rules import Rule
from streams.control.forgetting import Forgetting, id_of
from streams.intake.take import take
from streams.kafka.range import Range
from streams.settings import Settings
from streams.tables.actor_rows import ActorRows
from streams.tables.entity_rows import EntityRows
from streams.tables.forgotten import NOBODY, Forgotten

SETTINGS = Settings(partitions=1)
START_S = 1.7e9


def said(
    rule: Rule, steps: list[tuple[str, int]], hidden: frozenset[str] = frozenset(), forgotten: Forgotten = NOBODY
) -> list[dict[str, Any]]:
    """Return what a rule says of steps: an author that so many new people share a post of, one step after the other."""
    trial, actors, entities = Trial(SETTINGS, rule, hidden, forgotten), ActorRows(), EntityRows(SETTINGS)
    alerts: list[dict[str, Any]] = []
    number = 0
    for step, (author, people) in enumerate(steps):
        at_s = START_S + step * 2 * STEP_S
        values: list[bytes | None] = [
            msgspec.json.encode({"id": f"{step}.{i}", "kind": "share", "actor": f"p{step}.{i}", "author": author, "at": at_s})
            for i in range(people)
        ]
        offsets = list(range(number, number + people))
        number += people
        content = Range("events", 0, offsets, [int(at_s * 1000) + 1] * people, [None] * people, values, offsets[0])
        for _, record in take([content], actors, entities, SETTINGS).engagements:
            alerts += trial.take(record, step, 0)
    return alerts + trial.step()


def test_a_crossing_is_said_once_each_way_and_not_within_its_cool_down() -> None:
    steps = [("ann", 10), ("ann", 1), ("ben", 10)]
    rule = Rule(id="r", kind="crosses", scope="all", value=10.0, cooldown_s=0.0)
    alerts = said(rule, steps)
    assert [(a["entity"], a["up"]) for a in alerts] == [("account:ann", True), ("account:ben", True)]
    assert alerts[0]["causes"][0]["kind"] == "share"


def test_a_goal_is_said_once() -> None:
    rule = Rule(id="r", kind="goal", entity="account:ann", measure="shares", value=15.0)
    assert [a["reached"] for a in said(rule, [("ann", 10), ("ann", 10), ("ann", 10)])] == [20.0]


def test_the_first_places_are_looked_at_after_each_step() -> None:
    rule = Rule(id="r", kind="top", scope="all", n=1, cooldown_s=0.0)
    alerts = said(rule, [("ann", 5), ("ben", 20), ("ben", 1), ("ann", 50)])
    assert [(a["entity"], a["entered"]) for a in alerts] == [
        ("account:ben", True),
        ("account:ann", False),
        ("account:ann", True),
        ("account:ben", False),
    ]


def test_who_is_hidden_or_forgotten_takes_none_of_the_first_places_and_is_named_nowhere() -> None:
    steps = [("cem", 5), ("ann", 50), ("ben", 30), ("ben", 1)]
    top = Rule(id="r", kind="top", scope="all", n=1, cooldown_s=0.0)
    ann = Forgotten({id_of("ann"): Forgetting(0)})
    for alerts in (said(top, steps, hidden=frozenset({"ann"})), said(top, steps, forgotten=ann)):
        assert [(a["entity"], a["entered"]) for a in alerts] == [("account:ben", True), ("account:cem", False)]
    crosses = Rule(id="r", kind="crosses", scope="all", value=20.0, cooldown_s=0.0)
    assert [a["entity"] for a in said(crosses, steps)] == ["account:ann", "account:ben"]
    assert [a["entity"] for a in said(crosses, steps, forgotten=ann)] == ["account:ben"]
    sharer = Forgotten({id_of("p2.0"): Forgetting(0)})
    named = [[cause.get("actor") for cause in a["causes"]] for a in said(crosses, steps, forgotten=sharer)]
    assert len(named) == 2
    assert not any("p2.0" in actors for actors in named)
