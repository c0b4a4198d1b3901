"""What Faust's recovery does around a rebalance must not leave rows out, or give them to who doesn't own them."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import IllegalStateError
from faust.tables.recovery import ServiceStopped
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from agents.app import CloutstreamApp, create_app
from agents.recovering import end_when_stuck, unread
from streams.kafka import transport
from streams.kafka.durable import DurableOffsets
from streams.kafka.range import Range
from streams.kafka.register import register_transport
from streams.settings import Settings

SETTINGS = Settings(partitions=2)
ENTITIES = TP(SETTINGS.entities_changelog, 0)


def new_app(*actives: TP) -> CloutstreamApp:
    """Return an app that the group gave changelogs, in its first generation."""
    register_transport()
    app = create_app(SETTINGS)
    app.assignor = SimpleNamespace(assigned_actives=lambda: set(actives), assigned_standbys=set)  # type: ignore[assignment]
    app.consumer_generation_id = 1
    app._consumer = SimpleNamespace(flow_active=True, sought={}, assignment=lambda: set(actives))  # type: ignore[assignment]
    return app


async def rebalance(app: CloutstreamApp, assigned: set[TP], revoked: set[TP]) -> None:
    """Do to tables and recovery what Faust does."""
    for table in (app.actors, app.entities):
        await table.on_rebalance(assigned, revoked, assigned, 1)
    await app.tables.recovery.on_rebalance(assigned, revoked, assigned, 1)


def fetched(tp: TP, offset: int, start: int = 0) -> Any:
    """Return an event of a range with one record, fetched from `start`."""
    content = Range(tp.topic, tp.partition, [offset], [0], [b"\x00ids:other"], [None], start)
    return SimpleNamespace(message=SimpleNamespace(value=content, tp=tp))


async def test_rows_let_go_of_by_a_hand_over_that_took_too_long_are_read_from_the_beginning() -> None:
    app = new_app(ENTITIES)
    app.tables._changelogs[ENTITIES.topic] = app.entities
    recovery = app.tables.recovery
    await rebalance(app, {ENTITIES}, set())
    recovery.active_offsets[ENTITIES] = 500  # read by a first recovery
    app.entities.store.set_persisted_offset(ENTITIES, 500)
    app.entities.store.reset_state()
    await rebalance(app, {ENTITIES}, set())  # and the partition stays here
    assert recovery.active_offsets[ENTITIES] == -1


async def test_ranges_held_back_by_a_recovery_that_was_cut_short_are_not_applied_in_the_next() -> None:
    app = new_app(ENTITIES)
    await rebalance(app, {ENTITIES}, set())
    app.tables.recovery.buffers[app.entities].append(fetched(ENTITIES, 500))
    await rebalance(app, set(), {ENTITIES})
    app.tables.recovery.flush_buffers()
    await rebalance(app, {ENTITIES}, set())
    assert app.entities.store.persisted_offset(ENTITIES) == -1


async def test_a_range_of_another_table_or_of_a_partition_that_moved_away_is_not_applied() -> None:
    app = new_app(ENTITIES)
    await rebalance(app, {ENTITIES}, set())
    store = app.entities.store
    elsewhere, foreign = TP(ENTITIES.topic, 1), TP(SETTINGS.actors_changelog, 0)
    store.apply_changelog_batch([fetched(elsewhere, 7), fetched(foreign, 8), fetched(ENTITIES, 9)], None, None)
    assert set(store.partitions) == {0}
    assert [store.persisted_offset(tp) for tp in (elsewhere, foreign, ENTITIES)] == [-1, -1, 9]


class Fatal(Exception):
    """The process would have ended."""


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Raise where the process would end, and return why."""
    said: list[str] = []

    def fatal(what: str, error: BaseException) -> None:
        said.append(f"{what}: {error}")
        raise Fatal

    for module in ("agents.app", "agents.recovering", "streams.kafka.transport"):
        monkeypatch.setattr(f"{module}.fatal", fatal)
    return said


async def test_a_range_behind_one_that_got_lost_is_not_applied_and_a_recovery_that_missed_it_ends_the_worker(
    ended: list[str],
) -> None:
    app = new_app(ENTITIES)
    app.tables._changelogs[ENTITIES.topic] = app.entities
    await rebalance(app, {ENTITIES}, set())
    app.tables.recovery.signal_recovery_start.clear()
    await app._on_assigned(None, {ENTITIES})
    store, recovery = app.entities.store, app.tables.recovery
    store.apply_changelog_batch([fetched(ENTITIES, 3, start=0), fetched(ENTITIES, 9, start=8)], None, None)
    recovery.active_offsets[ENTITIES] = 9  # as Faust goes by what came last
    with pytest.raises(Fatal):
        await app._on_recovered(None)
    assert "applied up to offset 3; expected 9" in ended[0]
    assert app.owned == set()
    store.apply_changelog_batch([fetched(ENTITIES, 9, start=4)], None, None)
    await app._on_recovered(None)
    assert app.owned == {0}


async def test_what_was_deleted_before_the_oldest_record_is_no_hole() -> None:
    app = new_app(ENTITIES)
    await rebalance(app, {ENTITIES}, set())
    app.consumer.sought[ENTITIES] = 499  # where the changelog begins  # type: ignore[attr-defined]
    app.entities.store.apply_changelog_batch([fetched(ENTITIES, 510, start=499)], None, None)
    assert app.entities.store.persisted_offset(ENTITIES) == 510


async def test_nor_is_a_changelog_of_which_all_was_deleted() -> None:
    app = new_app(ENTITIES)
    app.tables._changelogs[ENTITIES.topic] = app.entities
    await rebalance(app, {ENTITIES}, set())
    recovery = app.tables.recovery
    recovery.active_offsets[ENTITIES] = app.consumer.sought[ENTITIES] = 499  # type: ignore[attr-defined]
    assert list(unread(recovery, (app.entities,))) == []
    app.consumer.sought[ENTITIES] = 0  # type: ignore[attr-defined]
    assert len(list(unread(recovery, (app.entities,)))) == 1


async def test_what_comes_while_a_rebalance_has_stopped_the_flow_is_not_applied() -> None:
    app = new_app(ENTITIES)
    await rebalance(app, {ENTITIES}, set())
    app.consumer.flow_active = False
    app.entities.store.apply_changelog_batch([fetched(ENTITIES, 3)], None, None)
    assert app.entities.store.persisted_offset(ENTITIES) == -1


async def test_a_step_of_the_recovery_that_takes_too_long_ends_the_worker(ended: list[str]) -> None:
    recovery = new_app().tables.recovery
    end_when_stuck(recovery)
    await recovery._wait(asyncio.sleep(0), timeout=5)
    with pytest.raises(Fatal):
        await recovery._wait(asyncio.sleep(5), timeout=0.01)
    assert "more than 0.01 s" in ended[0]
    recovery._stopped.set()
    with pytest.raises(ServiceStopped):
        await recovery._wait(asyncio.sleep(5), timeout=0.01)


class Fetching:
    """A consumer whose fetches give one range of a changelog partition, and do something meanwhile."""

    def __init__(self, offsets: list[int]) -> None:
        register_transport()
        self.flow = asyncio.Event()
        self.app: Any = SimpleNamespace(
            consumer_generation_id=1, should_stop=False, on_fetched=lambda: None,
            topics=SimpleNamespace(acks_enabled_for=lambda _: False, _tp_index={}),
            monitor=SimpleNamespace(track_tp_end_offset=lambda *_: None), flow_control=SimpleNamespace(is_active=lambda: True),
        )  # fmt: skip
        self.consumer = consumer_of(self.app, {ENTITIES})
        self.error: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        thread = SimpleNamespace(
            _consumer=SimpleNamespace(_fetcher=SimpleNamespace(error_future=self.error)), seek_wait=self._seek_wait
        )
        self.meanwhile: Any = lambda: asyncio.sleep(0)
        self.seeks: list[int] = []
        self._records = [SimpleNamespace(offset=n, timestamp=0, timestamp_type=0, key=b"k", value=None) for n in offsets]
        overrides = {
            "_thread": thread, "_linger": lambda: asyncio.sleep(0), "_wait_next_records": self._fetch, "seek": self._seek,
            "highwater": lambda _: 100, "flow_active": True, "_buffered_partitions": set(), "_stopped": asyncio.Event(),
            "_crashed": asyncio.Event(), "perform_seek": lambda: asyncio.sleep(0),
        }  # fmt: skip
        for name, value in overrides.items():
            setattr(self.consumer, name, value)

    async def _fetch(self, _timeout: float) -> Any:
        await self.meanwhile()
        return {ENTITIES: self._records}, {ENTITIES}

    async def _seek(self, _tp: TP, offset: int) -> None:
        self.seeks.append(offset)

    async def _seek_wait(self, _offsets: dict[TP, int]) -> None:
        await asyncio.sleep(0)

    async def delivered(self) -> list[int]:
        return [message.value.start async for _, message in self.consumer.getmany(1.0)]


async def test_a_range_of_a_changelog_that_is_dropped_is_fetched_again() -> None:
    fetching = Fetching([5, 6])

    async def stop_flow() -> None:
        fetching.consumer.flow_active = False

    fetching.consumer._next[ENTITIES] = 3  # compaction took what was there
    fetching.meanwhile = stop_flow
    assert await fetching.delivered() == []
    fetching.consumer.flow_active, fetching.meanwhile = True, lambda: asyncio.sleep(0)
    assert (await fetching.delivered(), fetching.seeks) == ([3], [3])


async def test_what_was_fetched_before_recovery_sought_is_not_delivered_and_recovery_begins_where_it_sought() -> None:
    fetching = Fetching([5, 6])
    fetching.meanwhile = lambda: fetching.consumer.seek_wait({ENTITIES: 2})
    assert await fetching.delivered() == []
    fetching.meanwhile = lambda: asyncio.sleep(0)
    assert (await fetching.delivered(), fetching.seeks) == ([2], [2]), "between 2 and 5 nothing was there"
    assert fetching.consumer.sought == {ENTITIES: 2}


async def test_a_rewind_is_forgotten_when_recovery_seeks_itself() -> None:
    fetching = Fetching([5, 6])
    fetching.consumer.rewind(ENTITIES, 5)
    await fetching.consumer.seek_wait({ENTITIES: 2})
    assert (await fetching.delivered(), fetching.seeks) == ([2], [])


async def test_a_worker_whose_fetching_has_failed_ends(ended: list[str]) -> None:
    fetching = Fetching([5])
    fetching.error.set_exception(KeyError("node"))
    with pytest.raises(Fatal):
        await fetching.delivered()
    assert "fetching from Kafka ended: 'node'" in ended[0]


async def test_a_recovery_that_a_rebalance_cut_short_or_that_was_handed_over_gives_nothing() -> None:
    app = new_app(ENTITIES)
    await app._on_recovered(None)
    assert (app.owned, app.recovered) == (set(), False), "handed over, and not assigned again"
    await app._on_assigned(None, {ENTITIES})
    app.tables.recovery.signal_recovery_start.set()  # the next one is asked for
    await app._on_recovered(None)
    assert (app.owned, app.recovered) == (set(), False), "cut short"
    app.tables.recovery.signal_recovery_start.clear()
    await app._on_recovered(None)
    assert (app.owned, app.recovered) == ({0}, True)


def consumer_of(app: Any, assigned: set[TP]) -> Any:
    """Return a consumer that has partitions, without a thread."""
    consumer = transport.BatchConsumer.__new__(transport.BatchConsumer)
    consumer.app = app
    consumer.assignment = lambda: assigned  # type: ignore[method-assign]
    consumer._next, consumer._rewind, consumer.sought = {}, {}, {}
    consumer._sought_meanwhile, consumer._seeking = set(), asyncio.Lock()
    return consumer


def test_nothing_is_committed_while_nothing_is_owned_and_nothing_handed_over() -> None:
    event = TP("events", 0)
    app = SimpleNamespace(owned=set(), handing_over=False, durable=DurableOffsets({event: 5}))
    consumer = consumer_of(app, {event})
    assert list(consumer._filter_tps_with_pending_acks()) == []
    app.handing_over = True
    assert list(consumer._filter_tps_with_pending_acks()) == [event]
    app.handing_over, app.owned = False, {0}
    assert list(consumer._filter_tps_with_pending_acks({"events"})) == [event]
    assert list(consumer._filter_tps_with_pending_acks({"others"})) == []


async def test_a_rewind_whose_partition_is_revoked_on_the_way_to_the_thread_is_forgotten() -> None:
    gone, here = TP("events", 0), TP("events", 1)
    consumer = consumer_of(None, {gone, here})

    async def seek(tp: TP, _offset: int) -> None:
        if tp == gone:
            raise IllegalStateError(f"No current assignment for partition {tp}")

    consumer.seek = seek
    consumer.rewind(gone, 3)
    consumer.rewind(here, 4)
    await consumer._seek_back()
    assert (consumer._rewind, consumer._next) == ({}, {here: 4})


async def test_a_commit_of_which_nothing_is_assigned_any_more_is_no_failure(monkeypatch: Any) -> None:
    kept, lost = TP("events", 0), TP("events", 1)
    asked: list[dict[TP, int]] = []

    async def commit(_thread: Any, offsets: dict[TP, int]) -> bool:
        asked.append(offsets)
        return True

    monkeypatch.setattr(driver.AIOKafkaConsumerThread, "_commit", commit)
    thread = transport.BatchConsumerThread.__new__(transport.BatchConsumerThread)
    thread.assignment = lambda: {kept}  # type: ignore[method-assign]
    assert not await thread._commit({lost: 9})
    assert await thread._commit({kept: 5, lost: 9})
    assert asked == [{kept: 5}]
