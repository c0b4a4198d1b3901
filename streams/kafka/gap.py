"""Reading a few records of one partition that somebody else wrote."""

from __future__ import annotations

from collections.abc import AsyncIterator

from aiokafka import AIOKafkaConsumer, TopicPartition
from faust.types import TP

from streams.kafka.clients import aiokafka_security
from streams.settings import Settings

Records = tuple[list[bytes], list[bytes | None]]  # keys and values


async def read_gap(settings: Settings, tp: TP, first: int, end: int) -> AsyncIterator[Records]:
    """Yield the retained records at offsets first..end-1 of a topic whose records all have keys."""
    partition = TopicPartition(tp.topic, tp.partition)
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka, enable_auto_commit=False, **aiokafka_security(settings))
    await consumer.start()
    try:
        consumer.assign([partition])
        position = max(first, (await consumer.beginning_offsets([partition]))[partition])
        if position < end:
            consumer.seek(partition, position)
        while position < end:
            fetched = (await consumer.getmany(partition, timeout_ms=5000)).get(partition, [])
            if not fetched:
                break  # the rest was compacted away: newer records of those keys exist
            records = [r for r in fetched if r.offset < end]
            yield [r.key for r in records], [r.value for r in records]
            position = fetched[-1].offset + 1
    finally:
        await consumer.stop()
