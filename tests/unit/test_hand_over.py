"""Handing over partitions: one at a time, and nothing is owned by a worker that stops."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest
from faust.types import TP

from agents.app import CloutstreamApp, create_app
from streams.kafka.register import register_transport
from streams.settings import Settings

SETTINGS = Settings(partitions=2)


class Trace:
    """What an app does while it stops, in order."""

    def __init__(self) -> None:
        register_transport()
        self.did: list[str] = []
        self.commits = 1  # so far; the first may find another under way
        self.may_drain = asyncio.Event()
        self.app: CloutstreamApp = create_app(SETTINGS)
        self.app.drain = self._drain
        self.app._consumer = cast(Any, SimpleNamespace(commit=self._commit, assignment=self._assignment))
        self.app._bulk_producer = cast(Any, SimpleNamespace(stop=self._stop))
        self.app._stop_consumer = self._stop_consumer  # type: ignore[method-assign]  # it has none
        self.app.owned = {0, 1}

    async def _drain(self, owned: set[int]) -> None:
        await self.may_drain.wait()
        self.did.append(f"drained {sorted(owned)}")

    async def _commit(self) -> bool:
        self.did.append("committed" if self.commits else "waited for another commit")
        self.commits += 1
        return self.commits > 1

    async def _stop(self) -> None:
        self.did.append("producer stopped")

    async def _stop_consumer(self) -> None:
        self.did.append("consumer stopped")

    def _assignment(self) -> set[TP]:
        return {TP(topic, p) for topic in ("a", "b") for p in (0, 1)}


async def test_a_stop_waits_for_the_hand_over_of_a_rebalance_before_it_stops_the_producer() -> None:
    trace = Trace()
    rebalance = asyncio.create_task(trace.app._on_revoked(None, []))
    await asyncio.sleep(0)
    stop = asyncio.create_task(trace.app.on_stop())
    await asyncio.sleep(0.05)
    assert trace.did == []
    trace.may_drain.set()
    await asyncio.gather(rebalance, stop)
    assert trace.did == ["drained [0, 1]", "committed", "consumer stopped", "producer stopped"]


async def test_what_is_handed_over_is_committed_although_another_commit_was_under_way() -> None:
    trace = Trace()
    trace.commits = 0
    trace.may_drain.set()
    await trace.app._on_revoked(None, [])
    assert trace.did == ["drained [0, 1]", "waited for another commit", "committed"]


@pytest.mark.parametrize("is_drained", [True, False])
async def test_rows_that_are_durable_stay_although_their_commit_takes_too_long(is_drained: bool) -> None:
    trace = Trace()
    trace.app.entities.partition(0)
    if is_drained:
        trace.may_drain.set()
    trace.app._consumer = cast(Any, SimpleNamespace(commit=asyncio.Event().wait))
    await trace.app.hand_over(within_s=0.05)
    assert set(trace.app.entities.store.partitions) == ({0} if is_drained else set())


async def test_a_producer_is_not_stopped_under_a_flush_that_takes_too_long(monkeypatch: Any) -> None:
    monkeypatch.setattr("agents.app.STOP_HANDOVER_S", 0.05)
    trace = Trace()
    await asyncio.wait_for(trace.app.on_stop(), 5)
    assert trace.did == ["consumer stopped"]
    trace.may_drain.set()
    await asyncio.sleep(0.01)
    assert trace.did[1:] == ["drained [0, 1]"], "it may go on, but what isn't owned any more isn't committed"


async def test_a_recovery_that_ends_while_the_worker_stops_gives_it_nothing() -> None:
    trace = Trace()
    trace.app.owned = set()
    await trace.app._on_assigned(None, [])
    await trace.app._on_recovered(None)
    assert (trace.app.owned, trace.app.recovered) == ({0, 1}, True)
    trace.may_drain.set()
    await trace.app._on_revoked(None, [])
    assert (trace.app.owned, trace.app.recovered) == (set(), False)
    await trace.app._on_assigned(None, [])
    trace.app._stopped.set()
    await trace.app._on_recovered(None)
    assert (trace.app.owned, trace.app.recovered) == (set(), False)
