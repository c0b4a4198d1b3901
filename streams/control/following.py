"""Following the control topic in a worker: every record from the beginning, and up to when that is all."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.control.state import ControlRecord, Fetched
from streams.kafka.clients import aiokafka_security
from streams.settings import Settings

# A fetch waits so long for something new: two of them lie between a record and the time that is known to be complete.
FETCH_WAIT_MS = 250
# An answer that brings nothing ends no wait, so it is looked for: seen late, it would have intake wait for it (`MARGIN_S`).
LOOK_MS = 50


async def follow(settings: Settings) -> AsyncIterator[Fetched]:
    """Yield what fetches bring, for ever; a broker that is away only delays it."""
    partition = TopicPartition(settings.control_topic, 0)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka,
        client_id=settings.app_id,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=FETCH_WAIT_MS,
        **aiokafka_security(settings),
    )
    answered_s = time.time()
    await consumer.start()
    try:
        consumer.assign([partition])
        await consumer.seek_to_beginning(partition)
        while True:
            batch = (await consumer.getmany(partition, timeout_ms=LOOK_MS)).get(partition, [])
            stamp_ms, end = consumer.last_poll_timestamp(partition), consumer.highwater(partition)
            begun_s = None
            if stamp_ms is not None and stamp_ms / 1000 != answered_s:
                # One fetch is under way at a time, so the last one began after the answer to the one before.
                begun_s, answered_s = answered_s, stamp_ms / 1000
            is_at_end = end is not None and await consumer.position(partition) >= end
            records = [ControlRecord(r.offset, r.timestamp, r.key, r.value) for r in batch]
            if records or begun_s is not None:
                yield Fetched(records, begun_s if is_at_end else None)
    finally:
        await consumer.stop()
