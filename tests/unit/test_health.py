"""When a worker can work, and what it waits for."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, cast

import numpy as np
import pytest
from faust.types import TP

from agents.app import CloutstreamApp, create_app
from agents.health import COMMIT_WITHIN_S, CONTROL_WITHIN_S, conditions, recovery_remaining_records, uncommitted, waiting_for
from agents.scorer import Scorer
from streams.columns.hashing import hash_names
from streams.columns.texts import Texts
from streams.control.state import Fetched
from streams.kafka.register import register_transport
from streams.settings import Settings

EVENTS = TP("events", 0)
NOW_S = 1_000_000.0


class Consumer:
    """What is committed."""

    def __init__(self) -> None:
        self.offsets: dict[TP, int] = {}

    def committed(self, tp: TP) -> int:
        return self.offsets.get(tp, 0)


@pytest.fixture
def app() -> CloutstreamApp:
    """A worker's app that has all it needs to work, and is connected to nothing."""
    register_transport()
    app = create_app(Settings(partitions=2))
    app._consumer = cast(Any, Consumer())
    app.assigned = app.recovered = True
    app.owned = {0, 1}
    app.counters.commit(NOW_S)
    app.control.state.apply(Fetched([], NOW_S + 1e6))
    return app


def committed(app: CloutstreamApp, offset: int) -> None:
    cast(Any, app.consumer).offsets[EVENTS] = offset


def test_a_worker_that_has_all_it_needs_is_ready(app: CloutstreamApp) -> None:
    now = conditions(app, NOW_S)
    assert (now.is_ready, now.missing, now.redis) == (True, [], "reachable")


def test_redis_away_is_degraded_and_ready(app: CloutstreamApp) -> None:
    app.counters.redis_is_up = False
    now = conditions(app, NOW_S)
    assert (now.is_ready, now.redis) == (True, "degraded")


@pytest.mark.parametrize(
    ("assigned", "recovered", "missing"), [(False, False, ["assigned", "recovered"]), (True, False, ["recovered"])]
)
def test_a_worker_is_not_ready_before_it_has_its_partitions_and_their_rows(
    app: CloutstreamApp, assigned: bool, recovered: bool, missing: list[str]
) -> None:
    app.assigned, app.recovered, app.owned = assigned, recovered, set()
    assert conditions(app, NOW_S).missing == missing


def test_a_worker_that_others_left_no_partition_is_ready(app: CloutstreamApp) -> None:
    app.owned = set()
    assert conditions(app, NOW_S).is_ready


def test_a_worker_with_nothing_to_commit_is_ready_however_long_ago_it_committed(app: CloutstreamApp) -> None:
    app.durable.advance(EVENTS, 5)
    committed(app, 5)
    assert uncommitted(app) == []
    assert conditions(app, NOW_S + 1e6).is_ready


def test_a_worker_whose_commits_fail_for_too_long_is_not_ready(app: CloutstreamApp) -> None:
    app.durable.advance(EVENTS, 5)
    committed(app, 4)
    assert conditions(app, NOW_S + COMMIT_WITHIN_S - 1).is_ready
    assert conditions(app, NOW_S + COMMIT_WITHIN_S + 1).missing == ["committing"]
    app.owned = {1}  # another worker's now
    assert conditions(app, NOW_S + COMMIT_WITHIN_S + 1).is_ready


def test_a_worker_that_does_not_hear_what_is_defined_is_not_ready(app: CloutstreamApp) -> None:
    app.control.state.apply(Fetched([], NOW_S))
    assert conditions(app, NOW_S + CONTROL_WITHIN_S - 1).is_ready
    assert conditions(app, NOW_S + CONTROL_WITHIN_S + 1).missing == ["informed"]
    assert "the control topic to be read to its end" not in waiting_for(app)
    app.control.is_waited_for = True
    assert waiting_for(app)["the control topic to be read to its end"] == NOW_S


async def test_losing_and_getting_partitions_moves_the_conditions(app: CloutstreamApp) -> None:
    async def drain(_: object) -> None: ...

    app.drain = drain
    cast(Any, app.consumer).commit = lambda: drain(0)
    cast(Any, app.consumer).assignment = lambda: {EVENTS}
    await app._on_revoked(None, [])
    assert conditions(app, NOW_S).missing == ["assigned", "recovered"]
    await app._on_assigned(None, [])
    assert conditions(app, NOW_S).missing == ["recovered"]
    await app._on_recovered(None)
    assert conditions(app, NOW_S).missing == []


@pytest.mark.parametrize("stuck", ["actors", "entities"])
def test_an_idle_worker_waits_only_for_fetches_and_flushes_which_come_with_nothing_to_do_as_well(
    app: CloutstreamApp, stuck: str
) -> None:
    before = waiting_for(app)
    assert before.keys() == {
        "a fetch to end",
        *(f"rows of the {table} table to become durable" for table in ("actors", "entities")),
    }
    app.on_fetched()
    app.counters.flushes.update({"actors", "entities"} - {stuck})
    # One that goes on doesn't hide another that stands still.
    assert [what for what, token in waiting_for(app).items() if token == before[what]] == [
        f"rows of the {stuck} table to become durable"
    ]
    app.owned = set()
    assert waiting_for(app) == {}


def test_a_worker_that_recovers_gets_somewhere_with_each_record_it_reads(app: CloutstreamApp) -> None:
    app.recovered, app.owned = False, set()
    recovery = cast(Any, app.tables).recovery
    changelog = TP("cloutstream-actors-changelog", 0)
    recovery.active_highwaters[changelog], recovery.active_offsets[changelog] = 9, 4
    assert recovery_remaining_records(app) == 5
    before = waiting_for(app)
    assert waiting_for(app) == before
    recovery.active_offsets[changelog] = 5
    assert waiting_for(app) != before
    assert waiting_for(app).keys() == before.keys() == {"the recovery of its tables"}
    app.recovered = True
    assert recovery_remaining_records(app) == 0


def test_a_worker_without_an_assignment_gets_somewhere_with_each_rebalance(app: CloutstreamApp) -> None:
    app.assigned = app.recovered = False
    app.owned = set()
    before = waiting_for(app)
    assert before.keys() == {"an assignment from the consumer group"}
    app.rebalancing_count += 1
    assert waiting_for(app) != before


def test_a_worker_waits_for_the_commit_of_what_is_durable(app: CloutstreamApp) -> None:
    app.durable.advance(EVENTS, 5)
    before = waiting_for(app)["a commit to succeed"]
    app.counters.commit(NOW_S)
    assert waiting_for(app)["a commit to succeed"] != before
    committed(app, 5)
    assert "a commit to succeed" not in waiting_for(app)


async def test_a_flush_of_many_rows_shows_with_each_piece_that_it_gets_on(
    app: CloutstreamApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.tables.flush.PIECE_ROWS", 2)
    for table in (app.actors, app.entities):
        table.partition(0)
    names = [b"account:%d" % n for n in range(10)]
    lo, hi = hash_names(names)
    rows, _ = app.entity_rows.find_or_add(lo, hi, Texts.of(names), np.arange(10), np.zeros(10, dtype=np.int64))
    app.entity_rows.dirty[rows] = True
    scorer, waits = Scorer(app), list[Hashable]()

    async def sent(*_: object) -> None:
        waits.append(waiting_for(app)["rows of the entities table to become durable"])

    monkeypatch.setattr(scorer.writer, "send", sent)
    monkeypatch.setattr(scorer, "_mark", sent)
    await scorer.flush({0}, 0.0)
    assert len(set(waits)) == 6  # of five pieces and a marker
