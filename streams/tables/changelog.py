"""Writing one partition's changelog, and noticing when somebody else wrote into it (`design.md` 3.8).

A worker that was stopped for longer than its session may, when it wakes, write rows of a partition it lost. Each batch of
ours must begin where the last one ended; where it doesn't, the records in between are read, applied by the rule of recovery
(highest `off` wins), and their rows written again, so that no stale row is the last of its key.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from faust.types import TP

from streams.kafka.bulk import BulkProducer
from streams.kafka.clients import aiokafka_security
from streams.settings import Settings
from streams.tables.faust_table import ColumnStore


class Changelog:
    """Writes records of one partition of a table's changelog."""

    def __init__(self, store: ColumnStore[Any], topic: str, partition: int, bulk: BulkProducer, settings: Settings) -> None:
        self._store, self._bulk, self._settings = store, bulk, settings
        self._tp = TP(topic, partition)
        self.repaired_gaps = 0

    async def write(self, keys: Sequence[bytes], values: Sequence[bytes | None]) -> None:
        """Write records and wait until they are acknowledged.

        Raises:
            DurabilityError: any of them could not be made durable.
        """
        if not keys:
            return
        for ack in await self._bulk.send(self._tp.topic, self._tp.partition, keys, values):
            held = self._store.persisted_offset(self._tp)
            expected = 0 if held is None else held + 1
            if ack.base_offset > expected:
                await self._repair(expected, ack.base_offset)
            self._store.set_persisted_offset(self._tp, ack.base_offset + ack.count - 1)

    async def _repair(self, first: int, end: int) -> None:
        """Read records first..end-1, apply them, and have their rows written again."""
        tp = TopicPartition(self._tp.topic, self._tp.partition)
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._settings.kafka, enable_auto_commit=False, **aiokafka_security(self._settings)
        )
        await consumer.start()
        try:
            consumer.assign([tp])
            begin = max(first, (await consumer.beginning_offsets([tp]))[tp])
            if begin >= end:
                return
            consumer.seek(tp, begin)
            position = begin
            while position < end:
                fetched = (await consumer.getmany(tp, timeout_ms=5000)).get(tp, [])
                if not fetched:
                    break  # the rest was compacted away: newer records of those keys exist
                records = [r for r in fetched if r.offset < end]
                self._store.partition(self._tp.partition).load_foreign([r.key for r in records], [r.value for r in records])
                position = fetched[-1].offset + 1
            self.repaired_gaps += 1
        finally:
            await consumer.stop()
