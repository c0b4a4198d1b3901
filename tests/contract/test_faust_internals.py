"""What transport, tables, bulk producer and control topic rest on inside faust-streaming 0.15 and aiokafka 0.14.

None of it is public there, so a new release may move it without a word. Each test names one thing and, when it fails, which
file of ours to look at.
"""

from __future__ import annotations

import inspect
from collections import defaultdict
from collections.abc import Callable
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any

import faust
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.consumer import fetcher
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from faust.app.base import App
from faust.channels import Channel
from faust.events import Event
from faust.stores import base as store_base
from faust.streams import Stream
from faust.tables.base import Collection
from faust.tables.manager import TableManager
from faust.tables.recovery import Recovery
from faust.tables.table import Table
from faust.topics import Topic
from faust.transport import conductor, consumer
from faust.transport.drivers import TRANSPORTS
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage
from mode.threads import MethodQueue, ServiceThread
from mode.worker import Worker

from streams.settings import Settings

TRANSPORT, TABLES, BULK, APP, FOLLOWING = (
    "streams/kafka/transport.py", "streams/tables/faust_table.py", "streams/kafka/bulk.py", "agents/app.py",
    "streams/control/following.py",
)  # fmt: skip


def parameters(function: Callable[..., Any]) -> list[str]:
    return [name for name in inspect.signature(function).parameters if name != "self"]


def source(thing: Any) -> str:
    return " ".join(inspect.getsource(thing).split())


def must_say(thing: Any, text: str, ours: str) -> None:
    assert text in source(thing), f"{thing.__qualname__} no longer has `{text}`: read it again, then {ours}"


def test_the_versions_are_those_that_were_read() -> None:
    assert version("faust-streaming").startswith("0.15."), "read faust's source again; then the lists in this file"
    assert version("aiokafka").startswith("0.14."), "read aiokafka's source again; then the lists in this file"


# The consumer: BatchConsumer, BatchConsumerThread


@pytest.mark.parametrize(
    ("owner", "name", "expected"),
    [
        (consumer.Consumer, "getmany", ["timeout"]),
        (consumer.Consumer, "_wait_next_records", ["timeout"]),
        (consumer.Consumer, "_add_gap", ["tp", "offset_from", "offset_to"]),
        (consumer.Consumer, "ack", ["message"]),
        (consumer.Consumer, "_filter_tps_with_pending_acks", ["topics"]),
        (consumer.Consumer, "_filter_committable_offsets", ["tps"]),
        (consumer.Consumer, "_should_commit", ["tp", "offset"]),
        (driver.Consumer, "_new_consumer_thread", []),
        (driver.Consumer, "perform_seek", []),
        (driver.Consumer, "highwater", ["tp"]),
        (driver.Consumer, "assignment", []),
        (driver.Consumer, "commit", ["topics", "start_new_transaction"]),
        (driver.Consumer, "_commit", ["offsets"]),
        (driver.Consumer, "subscribe", ["topics"]),
        (driver.AIOKafkaConsumerThread, "on_thread_stop", []),
        (driver.AIOKafkaConsumerThread, "_create_worker_consumer", ["transport"]),
    ],
)
def test_a_method_that_the_transport_overrides_or_calls_has_its_parameters(owner: type, name: str, expected: list[str]) -> None:
    assert hasattr(owner, name), f"{owner.__qualname__}.{name} is gone: look at {TRANSPORT}"
    assert parameters(getattr(owner, name)) == expected, (
        f"{owner.__qualname__}.{name} takes other parameters: look at {TRANSPORT}"
    )


def test_the_driver_is_found_and_its_transport_takes_a_consumer_class() -> None:
    assert issubclass(driver.Transport.Consumer, driver.Consumer), f"look at Transport in {TRANSPORT}"
    assert isinstance(TRANSPORTS.aliases, dict), "look at streams/kafka/register.py"
    from streams.kafka.register import register_transport

    register_transport()
    assert TRANSPORTS.by_name("kafka+batch").__module__ == "streams.kafka.transport"


def test_waiting_for_records_gives_them_with_the_active_partitions() -> None:
    must_say(consumer.Consumer._wait_next_records, "return records, active_partitions", f"BatchConsumer.getmany in {TRANSPORT}")
    # What getmany does between fetching and yielding is written again there: a new check here belongs there, too.
    for text in (
        "generation_id = self.app.consumer_generation_id",
        "self.flow_active",
        "self._buffered_partitions",
        "perform_seek",
    ):
        must_say(consumer.Consumer.getmany, text, f"BatchConsumer.getmany in {TRANSPORT}")


def test_commits_ask_the_two_filters_that_the_transport_overrides() -> None:
    ours = f"BatchConsumer._filter_* in {TRANSPORT}"
    must_say(consumer.Consumer._commit_tps, "commit_offsets = self._filter_committable_offsets(tps)", ours)
    must_say(consumer.Consumer.force_commit, "self._filter_tps_with_pending_acks(topics)", ours)


def test_an_offset_is_committed_only_when_it_is_higher() -> None:
    known: Any = SimpleNamespace(_committed_offset=defaultdict(lambda: None, {TP("t", 0): 7}))
    should_commit: Any = consumer.Consumer._should_commit
    assert [should_commit(known, TP("t", 0), offset) for offset in (6, 7, 8)] == [False, False, True]
    assert should_commit(known, TP("t", 1), 1)
    must_say(
        consumer.Consumer.__init__,
        "self._committed_offset = defaultdict(lambda: None)",
        "Publisher._committed in agents/publisher.py",
    )


async def test_offsets_whose_commit_failed_do_not_count_as_committed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refused(_self: Any, offsets: Any, _new: bool) -> bool:
        # As Faust does in either case (see the line below), but for partitions that were revoked.
        held._committed_offset.update({tp: offset for tp, offset in offsets.items() if tp.partition < 2})
        return offsets[TP("t", 0)] == 9

    from streams.kafka.transport import BatchConsumer

    ours = f"BatchConsumer._commit_offsets in {TRANSPORT}"
    must_say(consumer.Consumer._commit_offsets, "self._committed_offset.update(committable_offsets)", ours)
    monkeypatch.setattr(consumer.Consumer, "_commit_offsets", refused)
    held: Any = BatchConsumer.__new__(BatchConsumer)
    held._committed_offset = defaultdict(lambda: None, {TP("t", 0): 7})
    assert not await held._commit_offsets({TP("t", 0): 8, TP("t", 1): 3, TP("t", 2): 5})
    assert (held.committed(TP("t", 0)), held.committed(TP("t", 1))) == (7, 0)
    assert TP("t", 2) not in held._committed_offset
    assert await held._commit_offsets({TP("t", 0): 9})
    assert held.committed(TP("t", 0)) == 9


def test_faust_does_not_say_that_nothing_flows() -> None:
    from streams.kafka.transport import BatchConsumer

    ours = f"BatchConsumer.verify_event_path in {TRANSPORT}"
    must_say(consumer.Consumer.verify_all_partitions_active, "self.verify_event_path(now, tp)", ours)
    held: Any = BatchConsumer.__new__(BatchConsumer)  # without the thread that Faust's would ask
    held.verify_event_path(1e9, TP("t", 0))


def test_a_message_is_made_from_these_fields_in_this_order() -> None:
    names = parameters(ConsumerMessage.__init__)
    expected = [
        "topic", "partition", "offset", "timestamp", "timestamp_type", "headers", "key", "value", "checksum",
        "serialized_key_size", "serialized_value_size", "tp",
    ]  # fmt: skip
    assert names[: len(expected)] == expected, f"look at BatchConsumer._range_message in {TRANSPORT}"
    assert "generation_id" in names


def test_acknowledging_marks_the_message_and_the_unacked_set() -> None:
    for text in ("message.acked = True", "self._unacked_messages.discard(message)"):
        must_say(consumer.Consumer.ack, text, f"BatchConsumer.ack in {TRANSPORT}")


def test_a_stream_skips_what_was_fetched_before_a_rebalance() -> None:
    # A range left over in a queue would jump over the events that a recovered table still has to take.
    must_say(Stream._py_aiter, "message.generation_id != self.app.consumer_generation_id", "Intake.take in agents/intake.py")
    must_say(App._on_partitions_revoked, "self.flow_control.clear", "Intake.take in agents/intake.py")


# The topic of ranges


async def test_an_event_of_a_topic_holds_the_messages_value_as_it_is() -> None:
    from agents.app import RangeTopic

    app = faust.App("contract", broker="memory://", web_enabled=False)
    content = object()
    message = ConsumerMessage("t", 0, 5, 1.0, 0, [], None, content, None, 0, 0, TP("t", 0), generation_id=3)
    topic = RangeTopic(app, topics=["t"], key_type=bytes, value_type=bytes)
    event = await topic.decode(message, propagate=True)
    assert (event.value, event.message) == (content, message), "look at RangeTopic in agents/app.py"
    must_say(conductor.ConductorCompiler.build, "await chan.decode(message, propagate=True)", "RangeTopic in agents/app.py")
    assert parameters(Event.__init__)[:5] == ["app", "key", "value", "headers", "message"], "look at RangeTopic in agents/app.py"
    assert hasattr(Topic, "_compile_decode")
    assert parameters(Channel.decode) == ["message", "propagate"]


# The tables


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("persisted_offset", ["tp"]),
        ("set_persisted_offset", ["tp", "offset"]),
        ("need_active_standby_for", ["tp"]),
        ("apply_changelog_batch", ["batch", "to_key", "to_value"]),
        ("on_rebalance", ["assigned", "revoked", "newly_assigned", "generation_id"]),
        ("backup_partition", ["tp", "flush", "purge", "keep"]),
        ("restore_backup", ["tp", "latest", "backup_id"]),
        ("reset_state", []),
    ],
)
def test_the_store_interface_is_the_one_that_ours_fills(name: str, expected: list[str]) -> None:
    from streams.tables.faust_table import ColumnStore

    assert parameters(getattr(store_base.Store, name)) == expected, f"look at ColumnStore.{name} in {TABLES}"
    assert parameters(getattr(ColumnStore, name)) == expected


def test_a_table_makes_its_store_by_the_method_that_ours_overrides() -> None:
    must_say(Collection.data.fget, "self._data = self._new_store()", f"ColumnTable in {TABLES}")
    assert {"recovery_buffer_size", "changelog_topic", "partitions", "name"} <= set(parameters(Collection.__init__)), TABLES
    assert issubclass(Table, Collection)
    must_say(Collection.persisted_offset, "self.data.persisted_offset(tp)", f"ColumnStore.persisted_offset in {TABLES}")
    must_say(Collection.on_rebalance, "self.data.on_rebalance(", f"ColumnStore.on_rebalance in {TABLES}")
    must_say(
        Collection.apply_changelog_batch, "self.data.apply_changelog_batch(", f"ColumnStore.apply_changelog_batch in {TABLES}"
    )
    must_say(Collection._changelog_topic_name, "-changelog", "Settings.actors_changelog in streams/settings.py")


def test_recovery_hands_over_what_is_buffered_at_its_end() -> None:
    must_say(Recovery.flush_buffers, "table.apply_changelog_batch(buffer)", f"ColumnStore in {TABLES}")
    slurp = source(Recovery._slurp_changelogs.fun)
    assert "if len(buf) >= bufsize" in slurp, f"look at RECOVERY_BUFFER in {TABLES}"
    end = slurp.index("self.in_recovery and not self.need_recovery()")
    assert slurp.index("self.flush_buffers()") > end, "recovery may end with rows left in a buffer: look at Recovery"
    # A message's offset is that of a range's last record, so what remains is the highwater less that.
    must_say(Recovery.active_remaining, "highwater - offsets[tp]", f"ColumnStore.persisted_offset in {TABLES}")


def test_recovery_says_that_it_is_complete_before_it_sees_that_a_rebalance_cut_it_short() -> None:
    ours = f"CloutstreamApp._on_recovered in {APP}"
    must_say(Recovery._wait, "signal = self.signal_recovery_start", ours)
    must_say(Recovery.on_rebalance, "self.signal_recovery_start.set()", ours)
    completed = source(Recovery.on_recovery_completed)
    assert completed.index("on_rebalance_complete.send()") < completed.index("consumer_generation_id != generation_id"), ours
    must_say(Recovery._slurp_changelogs.fun, "buf = buffers[table]", f"ColumnTable.on_rebalance in {TABLES}")
    must_say(Recovery._add, "if persisted_offset is not None", f"ColumnStore.persisted_offset in {TABLES}")


def test_recovery_goes_on_from_what_the_store_says_it_holds() -> None:
    must_say(Recovery, "persisted_offset = table.persisted_offset(tp)", f"ColumnStore.persisted_offset in {TABLES}")
    must_say(TableManager.on_rebalance, "await T(table.on_rebalance)(", f"ColumnStore.on_rebalance in {TABLES}")


def test_recovery_seeks_by_one_call_and_takes_for_read_what_came_last() -> None:
    must_say(Recovery._seek_offsets, "await consumer.seek_wait(new_offsets)", f"seek_wait in {TRANSPORT}")
    must_say(
        Recovery._slurp_changelogs.fun, "offsets[tp] = offset buf = buffers[table] buf.append(event)", "agents/recovering.py"
    )
    must_say(Recovery._wait, "await self.wait_first(", "agents/recovering.py")
    # What may be on its way into the queue then comes after what is gone.
    must_say(App._on_partitions_revoked, "T(self.flow_control.clear)()", f"apply_changelog_batch in {TABLES}")


# The app


@pytest.mark.parametrize("name", ["on_partitions_revoked", "on_partitions_assigned", "on_rebalance_complete"])
def test_a_signal_that_the_app_connects_to_is_sent(name: str) -> None:
    app = faust.App("contract", broker="memory://", web_enabled=False)
    assert hasattr(getattr(app, name), "connect"), f"look at CloutstreamApp.__init__ in {APP}"
    sender = getattr(App, f"_{name}", Recovery._resume_streams)
    assert f"{name}.send" in source(sender), f"{name} is sent elsewhere: look at CloutstreamApp in {APP}"


@pytest.mark.parametrize(
    ("name", "expected"), [("on_first_start", []), ("on_stop", []), ("task", ["fun", "on_leader", "traced"]), ("agent", None)]
)
def test_an_app_method_that_ours_overrides_or_calls_is_there(name: str, expected: list[str] | None) -> None:
    assert hasattr(App, name), f"look at {APP}"
    assert expected is None or parameters(getattr(App, name)) == expected, f"look at {APP}"


def test_every_option_given_to_the_app_is_one() -> None:
    from agents.app import create_app

    settings = Settings(session_timeout_s=6.0)
    conf = create_app(settings).conf
    assert (conf.broker_session_timeout, conf.broker_commit_interval, conf.stream_wait_empty) == (6.0, 0.5, False), (
        f"look at {APP}"
    )
    assert (conf.broker_heartbeat_interval, conf.broker_rebalance_timeout) == (1.5, 6.0), f"look at {APP}"
    assert (conf.topic_allow_declare, conf.topic_disable_leader, conf.web_enabled) == (False, True, False), f"look at {APP}"
    assert (conf.table_standby_replicas, conf.stream_recovery_delay) == (0, 0.0), f"look at {APP}"
    assert conf.consumer_auto_offset_reset == "earliest", f"look at {APP}"
    assert conf.stream_buffer_maxsize <= 8, "ranges are counted, each of thousands of records"


def test_what_health_and_the_watchdog_read_is_there() -> None:
    ours = "agents/health.py"
    must_say(App.on_rebalance_start, "self.rebalancing_count += 1", ours)
    must_say(Recovery.active_remaining_total, "sum(self.active_remaining().values())", ours)
    must_say(consumer.Consumer._commit_offsets, "self._committed_offset.update(committable_offsets)", ours)
    # The reason for the watchdog's look at recovery: a time-out ends it for good.
    must_say(Recovery._wait, "if wait_result.stopped: # service was stopped. raise ServiceStopped()", ours)


def test_a_worker_leaves_its_group_as_aiokafka_does() -> None:
    ours = f"BatchConsumerThread.on_thread_stop and _leave_while_joining in {TRANSPORT}"
    must_say(GroupCoordinator._maybe_leave_group, "LeaveGroupRequest(self.group_id, self.member_id)", ours)
    must_say(GroupCoordinator._send_req, "group=ConnectionGroup.COORDINATION", ours)
    must_say(GroupCoordinator.close, "await self._coordination_task", ours)
    must_say(AIOKafkaConsumer.stop, "self._closed = True if self._coordinator: await self._coordinator.close()", ours)
    must_say(driver.AIOKafkaConsumerThread.on_thread_stop, "await self._consumer.stop()", ours)


def test_what_faust_does_to_the_consumer_from_outside_its_thread_is_what_ours_does_otherwise() -> None:
    ours = f"BatchConsumerThread in {TRANSPORT}"
    must_say(App._on_rebalance_when_stopped, "self.consumer.close()", ours)
    must_say(driver.AIOKafkaConsumerThread.close, "self._consumer._client.close(), self.app.loop", ours)
    must_say(consumer.ThreadDelegateConsumer._seek, "self._thread.seek(partition, offset)", ours)
    must_say(ServiceThread._serve, "await self._gather_remaining_tasks()", ours)
    must_say(MethodQueue._process_enqueued, "except BaseException", "BatchConsumerThread.on_thread_stop, which waits no longer")


def test_a_worker_that_has_stopped_ends_by_the_method_that_ours_overrides() -> None:
    must_say(Worker.stop_and_shutdown, "self._shutdown_loop()", "agents/worker.py")


# aiokafka: fetching


def test_a_fetcher_that_has_ended_says_why() -> None:
    must_say(fetcher.Fetcher, "def error_future(self): return self._fetch_task", f"_check_fetcher in {TRANSPORT}")


def test_the_fetch_wait_is_read_after_it_was_changed() -> None:
    assert "self._fetch_max_wait_ms = fetch_max_wait_ms" in source(AIOKafkaConsumer.__init__), (
        f"look at BatchConsumerThread in {TRANSPORT}"
    )
    must_say(AIOKafkaConsumer.start, "fetch_max_wait_ms=self._fetch_max_wait_ms", f"BatchConsumerThread in {TRANSPORT}")


def test_the_fetcher_makes_its_records_by_the_name_that_is_replaced() -> None:
    import streams.kafka.transport as ours

    assert fetcher.PartitionRecords is ours._LightRecords
    assert " PartitionRecords(" in source(fetcher.Fetcher._proc_fetch_request), f"look at _LightRecords in {TRANSPORT}"
    original = fetcher.PartitionRecords.__mro__[1]
    assert parameters(original._consumer_record) == ["tp", "record"], f"look at _LightRecords in {TRANSPORT}"
    must_say(original._unpack_records, "consumer_record = self._consumer_record(tp, record)", f"_LightRecords in {TRANSPORT}")
    must_say(original._unpack_records, "self.next_fetch_offset = record.offset + 1", f"_LightRecords in {TRANSPORT}")


def test_a_parsed_record_has_what_a_range_is_made_of() -> None:
    builder = DefaultRecordBatchBuilder(2, 0, False, -1, -1, 0, 1 << 16)
    builder.append(0, 1_700_000_000_123, b"key", b"value", [("name", b"header")])
    builder.append(1, 1_700_000_000_124, None, None, [])
    batch = MemoryRecords(bytes(builder.build())).next_batch()
    read = [(r.offset, r.timestamp, r.timestamp_type, r.key, r.value, list(r.headers)) for r in batch]
    assert read == [
        (0, 1_700_000_000_123, 0, b"key", b"value", [("name", b"header")]),
        (1, 1_700_000_000_124, 0, None, None, []),
    ], f"look at BatchConsumer._range_message in {TRANSPORT}"


# aiokafka: sending


def test_a_batch_takes_records_until_it_is_full_and_then_says_none() -> None:
    batch = BatchBuilder(2000, 0)
    assert parameters(batch.append) == ["timestamp", "key", "value", "headers"], f"look at BulkProducer.send in {BULK}"
    taken = 0
    while batch.append(timestamp=None, key=b"k", value=b"x" * 300) is not None:
        taken += 1
        assert taken < 10
    assert taken == batch.record_count() > 3
    batch.close()
    fresh = BatchBuilder(2000, 0)
    assert fresh.append(timestamp=None, key=b"k", value=None, headers=[("reason", b"r")]) is not None, "a tombstone with headers"
    fresh.close()
    assert fresh.append(timestamp=None, key=b"k", value=b"") is None, "a closed batch takes nothing"


def test_a_record_larger_than_a_batch_is_taken_when_it_is_the_first() -> None:
    batch = BatchBuilder(2000, 0)
    assert batch.append(timestamp=None, key=None, value=b"x" * 5000) is not None


def test_a_batch_is_sent_to_a_partition_and_answered_with_where_it_begins() -> None:
    assert parameters(AIOKafkaProducer.create_batch) == [], f"look at {BULK}"
    assert parameters(AIOKafkaProducer.send_batch) == ["batch", "topic", "partition"], f"look at {BULK}"
    from aiokafka.structs import RecordMetadata

    assert "offset" in RecordMetadata._fields, f"look at Acknowledged in {BULK}"


async def test_the_bulk_producer_learns_where_each_batch_stands(settings: Settings) -> None:
    from streams.kafka.bulk import BATCH_BYTES, BulkProducer
    from streams.kafka.topics import create_topics

    create_topics(settings)
    bulk = BulkProducer(settings)
    await bulk.start()
    try:
        records = [b"x" * (BATCH_BYTES // 3)] * 7
        acknowledged = await bulk.send(settings.engagements_topic, 1, [None] * 7, records)
        again = await bulk.send(settings.engagements_topic, 1, [b"k"], [None])
    finally:
        await bulk.stop()
    counts = [ack.count for ack in acknowledged]
    assert len(counts) > 1
    assert sum(counts) == 7
    assert [ack.base_offset for ack in acknowledged] == [sum(counts[:i]) for i in range(len(counts))], f"look at {BULK}"
    assert [ack.base_offset for ack in again] == [7]


def test_a_seek_to_what_is_committed_notes_what_that_is() -> None:
    """streams/kafka/transport.py has what was fetched before such a seek fetched again, from what is noted."""
    assert "_committed_offset.update" in inspect.getsource(consumer.Consumer.perform_seek)
    assert list(inspect.signature(consumer.Consumer.perform_seek).parameters) == ["self"]


def test_a_fetch_tells_the_end_and_when_it_was_answered_together_and_one_is_under_way_at_a_time() -> None:
    must_say(fetcher.Fetcher._proc_fetch_request, "tp_state.highwater = highwater", FOLLOWING)
    must_say(fetcher.Fetcher._proc_fetch_request, "tp_state.timestamp = now_ms", FOLLOWING)
    must_say(fetcher.Fetcher._get_actions_per_node, "elif node_id in self._in_flight:", FOLLOWING)
    must_say(AIOKafkaConsumer.last_poll_timestamp, "state_value(partition).timestamp", FOLLOWING)
