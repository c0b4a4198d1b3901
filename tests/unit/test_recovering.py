"""What Faust's recovery does around a rebalance must not leave rows out, or give them to who doesn't own them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from aiokafka.errors import IllegalStateError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from agents.app import CloutstreamApp, create_app
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
    return app


async def rebalance(app: CloutstreamApp, assigned: set[TP], revoked: set[TP]) -> None:
    """Do to tables and recovery what Faust does."""
    for table in (app.actors, app.entities):
        await table.on_rebalance(assigned, revoked, assigned, 1)
    await app.tables.recovery.on_rebalance(assigned, revoked, assigned, 1)


def fetched(tp: TP, offset: int) -> Any:
    """Return an event of a range with one record."""
    content = Range(tp.topic, tp.partition, [offset], [0], [b"\x00ids:other"], [None], offset)
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


async def test_a_recovery_that_a_rebalance_cut_short_or_that_was_handed_over_gives_nothing() -> None:
    app = new_app()
    app._consumer = SimpleNamespace(assignment=lambda: {ENTITIES})  # type: ignore[assignment]
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
    consumer._next, consumer._rewind = {}, {}
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
