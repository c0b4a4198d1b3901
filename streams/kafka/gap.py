"""Reading a few records of one partition that somebody else wrote."""

from __future__ import annotations

from collections.abc import AsyncIterator

from aiokafka import AIOKafkaConsumer, TopicPartition
from faust.types import TP

from streams.errors import DurabilityError
from streams.kafka.clients import aiokafka_security
from streams.settings import Settings

SILENCE_LIMIT_S = 30.0
Records = tuple[list[bytes], list[bytes | None]]  # keys and values


async def read_gap(settings: Settings, tp: TP, first: int, end: int) -> AsyncIterator[Records]:
    """Yield the retained records at offsets first..end-1 of a topic whose records all have keys, and which goes on at `end`.

    Raises:
        DurabilityError: the broker sent nothing for `SILENCE_LIMIT_S`; what is in the gap is not known.
    """
    partition = TopicPartition(tp.topic, tp.partition)
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka, enable_auto_commit=False, **aiokafka_security(settings))
    await consumer.start()
    try:
        consumer.assign([partition])
        position = max(first, (await consumer.beginning_offsets([partition]))[partition])
        if position < end:
            consumer.seek(partition, position)
        while position < end:
            # Also where the rest was compacted away something comes: what is at `end`.
            fetched = (await consumer.getmany(partition, timeout_ms=int(SILENCE_LIMIT_S * 1000))).get(partition, [])
            if not fetched:
                raise DurabilityError(
                    f"{tp.topic}[{tp.partition}]@{position}: nothing came for {SILENCE_LIMIT_S:g} s; expected what somebody else "
                    f"wrote before {end}"
                )
            records = [r for r in fetched if r.offset < end]
            yield [r.key for r in records], [r.value for r in records]
            position = fetched[-1].offset + 1
    finally:
        await consumer.stop()
