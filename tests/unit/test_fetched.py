"""What is chosen for a round of intake, and what is fetched again."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

from agents.control import Control
from agents.fetched import ROUND_EVENTS, Fetched
from streams.control.state import MARGIN_S
from streams.control.state import Fetched as Known
from streams.kafka.range import Range
from streams.tables.actor_rows import ActorRows


def fetched(*owned: int) -> tuple[Fetched, Any, list[tuple[TP, int]]]:
    """Return what waits in a worker that owns these partitions, the worker, and what it asked to be fetched again."""
    again: list[tuple[TP, int]] = []
    consumer = SimpleNamespace(rewind=lambda tp, offset: again.append((tp, offset)), highwater=lambda _: 0)
    control = Control()
    control.state.apply(Known([], 0.0))
    app: Any = SimpleNamespace(
        owned=set(owned), actor_rows=ActorRows(), consumer=consumer, has_work=asyncio.Event(), control=control, clock=time
    )
    return Fetched(app), app, again


def content(partition: int, first: int, last: int, start: int | None = None) -> Range:
    n = last - first
    return Range("events", partition, [*range(first, last)], [0] * n, [None] * n, [b""] * n, first if start is None else start)


def put(waiting: Fetched, *ranges: Range) -> None:
    async def run() -> None:
        for one in ranges:
            await waiting.put(one)

    asyncio.run(asyncio.wait_for(run(), 5))


def chosen(waiting: Fetched) -> list[tuple[int, int, int]]:
    return [(c.partition, c.offsets[0], c.offsets[-1] + 1) for c in waiting.round()]


def test_a_round_is_of_all_owned_partitions_and_cut_where_it_is_full() -> None:
    waiting, app, again = fetched(0, 1)
    most = ROUND_EVENTS * 3 // 4
    put(waiting, content(0, 0, most), content(1, 0, most))
    assert chosen(waiting) == [(0, 0, most), (1, 0, ROUND_EVENTS - most)]
    for p, position in ((0, most), (1, ROUND_EVENTS - most)):
        app.actor_rows.inputs(p).source("events").position = position
    assert chosen(waiting) == [(1, ROUND_EVENTS - most, most)]
    assert chosen(waiting) == []
    assert again == []


def test_ranges_of_one_partition_follow_each_other_within_a_round() -> None:
    waiting, _, again = fetched(0)
    put(waiting, content(0, 0, 10), content(0, 10, 20))
    assert chosen(waiting) == [(0, 0, 10), (0, 10, 20)]
    assert again == []


def test_what_was_taken_is_passed_over_and_what_is_missing_fetched_again() -> None:
    waiting, app, again = fetched(0)
    app.actor_rows.inputs(0).source("events").position = 15
    put(waiting, content(0, 0, 10), content(0, 10, 20), content(0, 25, 30))
    assert chosen(waiting) == [(0, 15, 20)]
    assert again == [(TP("events", 0), 20)]


def test_a_range_waits_for_the_assignment_and_goes_when_another_worker_has_its_partition() -> None:
    waiting, app, again = fetched()
    put(waiting, content(0, 0, 10), content(1, 0, 10))
    assert chosen(waiting) == []
    app.owned = {1}
    assert chosen(waiting) == [(1, 0, 10)]
    app.owned = {0, 1}
    assert chosen(waiting) == []
    assert again == []


def test_more_than_two_rounds_hold_up_what_comes_until_they_are_let_go() -> None:
    waiting, _, _ = fetched()

    async def run() -> bool:
        held_up = asyncio.create_task(waiting.put(content(0, 0, 3 * ROUND_EVENTS)))
        await asyncio.sleep(0.01)
        assert not held_up.done()
        waiting.forget()
        await asyncio.wait_for(held_up, 5)
        return waiting.round() == []

    assert asyncio.run(run())


def test_what_the_broker_took_later_than_the_control_topic_is_known_waits_for_it() -> None:
    waiting, app, again = fetched(0, 1)
    limit_ms = int(1000 * MARGIN_S)
    early, late, other = content(0, 0, 4), content(0, 4, 6), content(1, 0, 2)
    early.timestamps_ms = [limit_ms - 5, limit_ms, limit_ms + 1, limit_ms]
    put(waiting, early, late, other)
    assert chosen(waiting) == [(0, 0, 2), (1, 0, 2)]
    assert app.control.is_waited_for
    app.actor_rows.inputs(0).source("events").position = 2
    app.actor_rows.inputs(1).source("events").position = 2
    assert chosen(waiting) == []
    app.control.state.apply(Known([], 0.01))
    assert chosen(waiting) == [(0, 2, 4), (0, 4, 6)]
    assert not app.control.is_waited_for
    assert again == []


def test_a_time_that_can_not_be_the_brokers_stops_no_partition(caplog: pytest.LogCaptureFixture) -> None:
    waiting, app, _ = fetched(0)
    ahead = content(0, 0, 4)
    ahead.timestamps_ms = [0, int((time.time() + 1e6) * 1000)] * 2
    put(waiting, ahead)
    assert chosen(waiting) == [(0, 0, 4)]
    assert not app.control.is_waited_for
    assert caplog.text.count("expected the broker's own") == 1


def test_nothing_is_taken_before_the_control_topic_was_read_once() -> None:
    waiting, app, _ = fetched(0)
    app.control = Control()
    put(waiting, content(0, 0, 2))
    assert chosen(waiting) == []
    assert app.control.is_waited_for
