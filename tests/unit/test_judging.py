"""What rules say of a score record, and of a board between two looks."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from streams.alerts.judging import Alert, judge
from streams.alerts.places import Place, explained, looked
from streams.alerts.rules import Rule
from streams.alerts.telling import told
from streams.settings import Settings
from streams.tables.score_records import NUMBERS, Change, ScoreRecord

SETTINGS = Settings()
AT_S = 1.7e9
CAUSES = '[{"kind":"share","actor":"bob","points":0.9}]'
SURGE = '{"began":7,"z":6.5,"counted":20.0,"expected":2.0,"people":9,"likes":4,"shares":3,"replies":5,"low_trust":3}'


def record(change: Change | None = None, entity: str = "account:ann", **numbers: float) -> ScoreRecord:
    held: dict[str, Any] = {"score": 42.0, "at": AT_S, "ver": 11, "plus_minus": 1.0, "likes": 99, "standing": "null", **numbers}
    return ScoreRecord(orjson.dumps(entity).decode(), ",".join(str(held.get(name, 0)) for name in NUMBERS), change)


def change(before: float, after: float, moved: float = 0.0, surge: str = "") -> Change:
    return Change(str(before), str(after), CAUSES, str(moved), surge)


def rule(kind: str, **fields: Any) -> Rule:
    return Rule(id="r", kind=kind, **{"entity": "account:ann", **fields})  # type: ignore[arg-type]  # checked by msgspec when decoded


def said(rule: Rule, record: ScoreRecord) -> Alert | None:
    alerts = judge([rule], record, SETTINGS)
    assert len(alerts) < 2
    return alerts[0] if alerts else None


@pytest.mark.parametrize(("moved", "surge", "alerted"), [(3.0, SURGE, True), (1.9, SURGE, False), (3.0, "", False)])
def test_a_jump_is_a_surge_that_moved_the_score(moved: float, surge: str, alerted: bool) -> None:
    assert (said(rule("jump", points=2.0), record(change(40.0, 42.0, moved, surge))) is not None) is alerted


def test_an_alert_says_who_is_behind_it() -> None:
    alert = said(rule("jump", points=2.0), record(change(40.0, 42.0, 3.0, SURGE)))
    assert alert is not None
    body = orjson.loads(alert.body)
    assert body["causes"] == orjson.loads(CAUSES)
    assert body["behind"] == {
        "z": 6.5, "counted": 20.0, "expected": 2.0, "people": 9, "likes": 4, "shares": 3, "replies": 5, "low_trust_ratio": 0.25,
        "reply_to_like_ratio": 1.25,
    }  # fmt: skip
    assert told(body) == (
        "account:ann jumped by 3.0 points to 42.0: bob (share); 9 people, 4 likes, 3 shares, 5 replies, "
        "25 % from accounts that look new"
    )


def test_one_surge_is_one_episode_and_has_one_id() -> None:
    jump = rule("jump", points=2.0)
    first, later = (said(jump, record(change(40.0, 42.0, 3.0, SURGE), ver=version)) for version in (11, 15))
    other = said(jump, record(change(40.0, 42.0, 3.0, SURGE.replace('"began":7', '"began":90'))))
    assert first is not None
    assert later is not None
    assert other is not None
    assert (first.id, first.episode) == (later.id, later.episode)
    assert first.id != other.id


@pytest.mark.parametrize(
    ("before", "after", "up"),
    [(49.0, 50.0, True), (50.0, 49.9, False), (49.0, 49.9, None), (50.0, 51.0, None), (1.0, 99.0, True)],
)
def test_crossing_is_from_one_side_to_the_other(before: float, after: float, up: bool | None) -> None:
    alert = said(rule("crosses", value=50.0), record(change(before, after)))
    assert up == (None if alert is None else orjson.loads(alert.body)["up"])


def test_a_fall_is_told_once_in_its_window() -> None:
    drop = rule("drop", points=2.0, cooldown_s=60.0)
    assert said(drop, record(change(42.5, 42.0, -1.9))) is None
    alert = said(drop, record(change(42.5, 42.0, -2.5)))
    assert alert is not None
    assert alert.cooldown_s == 2 * SETTINGS.half_life_fast_s


def test_a_goal_is_reached_without_a_change_and_remembered_for_ever() -> None:
    goal = rule("goal", measure="likes", value=100.0)
    assert said(goal, record(likes=99)) is None
    alert = said(goal, record(likes=100))
    assert alert is not None
    assert alert.kept_s == 0
    assert alert.id == said(goal, record(likes=250, ver=90)).id  # type: ignore[union-attr]


def test_rules_on_changes_say_nothing_of_a_record_without_one_or_of_another_entity() -> None:
    crosses = rule("crosses", value=50.0)
    assert said(crosses, record()) is None
    assert said(crosses, record(change(1.0, 99.0), entity="account:ben")) is None


def board(*members: str) -> list[Place]:
    return [Place(member, 50.0 - rank) for rank, member in enumerate(members)]


def test_the_first_look_at_a_board_says_nothing_and_later_ones_who_entered_and_left() -> None:
    top = rule("top", entity="", scope="topic:ai", n=2)
    first = looked(top, b"", board("a", "b"), AT_S)
    assert first is not None
    assert first.alerts == {}
    assert looked(top, first.taken, board("b", "a"), AT_S + 1) is None
    second = looked(top, first.taken, board("c@x", "a"), AT_S + 2)
    assert second is not None
    entered, left = second.alerts["account:c%40x@topic:ai"], second.alerts["account:b@topic:ai"]
    assert (entered["entered"], entered["rank"], entered["displaced"]) == (True, 1, ["b"])
    assert (left["entered"], left["displaced_by"]) == (False, ["c@x"])
    assert told(entered) == "account:c%40x@topic:ai entered the first 2 at 1, with 50.0"
    assert told(left) == "account:b@topic:ai left the first 2"


def test_who_goes_in_and_out_at_the_edge_is_alerted_once_in_a_cool_down() -> None:
    top = rule("top", entity="", scope="all", n=1, cooldown_s=100.0)
    taken, counts = b"", []
    for second in range(0, 250, 10):
        look = looked(top, taken, board("a" if second % 20 else "b"), AT_S + second)
        assert look is not None
        taken = look.taken
        counts.append(len(look.alerts))
    assert counts[:11] == [0, 2] + [0] * 9
    assert sum(counts) == 6


def test_an_entry_is_explained_by_the_last_change_of_the_account() -> None:
    top = rule("top", entity="", scope="all", n=1)
    first = looked(top, b"", board("a"), AT_S)
    assert first is not None
    look = looked(top, first.taken, board('b"'), AT_S)
    assert look is not None
    alert = look.alerts['account:b"']
    newest = {"entity": 'account:b"', "before": 40.0, "causes": orjson.loads(CAUSES), "surge": [orjson.loads(SURGE)]}
    older = {**newest, "before": 3.0}
    other = {**newest, "entity": "account:b"}
    found = explained(alert, [orjson.dumps(event) for event in (other, newest, older)])
    assert (found["before"], found["causes"], found["behind"]["people"]) == (40.0, newest["causes"], 9)
    assert explained(alert, [orjson.dumps(other)]) == alert
