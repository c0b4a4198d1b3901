"""A fast producer: whole batches per partition, placed by Kafka's murmur2 for a block of keys at once.

A producer that is handed one record at a time costs 10 to 30 us a record in Python, more than the rest of the pipeline.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from itertools import pairwise
from types import TracebackType
from typing import Any

import numpy as np
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from streams.columns.placement import partitions_of
from streams.errors import ConfigurationError, DurabilityError, ServiceUnavailable
from streams.kafka.clients import aiokafka_security
from streams.kafka.topics import end_offsets
from streams.replay.readers import Records
from streams.settings import Settings

# What it has to say comes as an exception as well, in one line instead of one per retry.
logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
_BATCH_BYTES = 256 * 1024
_REQUEST_BYTES = 1 << 20
_REQUEST_TIMEOUT_MS = 20_000
_PACE_S = 0.05


class Feed:
    """Sends blocks of records to one input topic; an async context manager that flushes at its end.

    Records of one key keep their order. A success of `send` promises nothing; one of `flush` that Kafka has them all.
    """

    def __init__(self, settings: Settings, topic: str) -> None:
        self._settings = settings
        self._topic = topic
        self._producer: Any = None
        self._open: dict[int, Any] = {}
        self._sent: set[asyncio.Future[Any]] = set()
        self.count = 0
        """Records taken so far."""

    async def __aenter__(self) -> Feed:
        """Connect and check the topic.

        Raises:
            ServiceUnavailable: nothing answers.
            ConfigurationError: there is no such topic, or it has another number of partitions than the settings say.
        """
        # Looked up by a client that can't create it: aiokafka's own look-up may, with the broker's number of partitions.
        found = len(await asyncio.to_thread(end_offsets, self._settings, self._topic))
        if found != self._settings.partitions:
            raise ConfigurationError(
                f"topic {self._topic!r} has {found} partitions; expected {self._settings.partitions} (CLOUTSTREAM_PARTITIONS)"
            )
        self._producer = AIOKafkaProducer(
            bootstrap_servers=self._settings.kafka,
            **aiokafka_security(self._settings),
            acks="all",
            max_batch_size=_BATCH_BYTES,
            max_request_size=_REQUEST_BYTES,
            request_timeout_ms=_REQUEST_TIMEOUT_MS,
        )
        try:
            await self._producer.start()
        except (KafkaError, OSError) as e:
            await self._producer.stop()
            raise ServiceUnavailable("Kafka", self._settings.kafka, str(e)) from e
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Flush, unless the block failed, and disconnect."""
        try:
            if kind is None:
                await self.flush()
        finally:
            await self._producer.stop()
            for future in self._sent:
                if future.done() and not future.cancelled():
                    future.exception()  # seen: the first failure has been told

    async def send(self, keys: Sequence[bytes | None], values: Sequence[bytes]) -> None:
        """Take a block up; batches that are full are on their way when this returns.

        Raises:
            DurabilityError: an earlier batch was not accepted.
        """
        placed = partitions_of([key or b"" for key in keys], self._settings.partitions)
        order = np.argsort(placed, kind="stable")
        bounds = np.searchsorted(placed[order], np.arange(self._settings.partitions + 1)).tolist()
        rows = order.tolist()
        now_ms = int(time.time() * 1000)
        for partition, (start, stop) in enumerate(pairwise(bounds)):
            batch = self._open.get(partition)
            for row in rows[start:stop]:
                if batch is None or batch.append(timestamp=now_ms, key=keys[row], value=values[row]) is None:
                    if batch is not None:
                        await self._dispatch(batch, partition)
                    batch = self._producer.create_batch()
                    batch.append(timestamp=now_ms, key=keys[row], value=values[row])
            if batch is not None:
                self._open[partition] = batch
        self.count += len(values)

    async def dispatch(self) -> None:
        """Put what was taken up on its way now, full batches or not."""
        for partition, batch in self._open.items():
            await self._dispatch(batch, partition)
        self._open.clear()

    async def flush(self) -> None:
        """Return when Kafka has acknowledged everything taken up.

        Raises:
            DurabilityError: a batch was not accepted; which of its records Kafka has is unknown.
        """
        await self.dispatch()
        while self._sent:
            done, self._sent = await asyncio.wait(self._sent, return_when=asyncio.FIRST_EXCEPTION)
            self._check(done)

    async def _dispatch(self, batch: Any, partition: int) -> None:
        batch.close()
        try:
            # Waits while the partition's previous batch is not yet in a request: that bounds the memory.
            self._sent.add(await self._producer.send_batch(batch, self._topic, partition=partition))
        except KafkaError as e:
            raise self._refused(e) from e
        done = {future for future in self._sent if future.done()}
        self._sent -= done
        self._check(done)

    def _check(self, done: Iterable[asyncio.Future[Any]]) -> None:
        for future in done:
            if (error := future.exception()) is not None:
                raise self._refused(error) from error

    def _refused(self, error: BaseException) -> DurabilityError:
        return DurabilityError(
            f"topic {self._topic!r} at {self._settings.kafka} did not take a batch of events: {error!r}; it may hold a part of "
            "them: sending again is harmless, ids see to that"
        )


async def paced(blocks: Iterable[Records], rate_per_s: float | None) -> AsyncIterator[Records]:
    """Yield the blocks; with a rate, cut so small and so late that no more than `rate_per_s` records a second come out."""
    begun, given = time.monotonic(), 0
    step = max(1, int(rate_per_s * _PACE_S)) if rate_per_s else 0
    for block in blocks:
        if not rate_per_s:
            yield block
            continue
        for start in range(0, len(block.values), step):
            await asyncio.sleep(begun + given / rate_per_s - time.monotonic())
            part = Records(block.keys[start : start + step], block.values[start : start + step])
            given += len(part.values)
            yield part
