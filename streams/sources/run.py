"""The loop that brings a source into Kafka: messages, events, and from time to time the position behind them.

The position follows the acknowledgement: after a crash the source reads again what lies between the two, and events that are
sent twice have the same id.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from typing import Any

import msgspec

from streams.control.people import forget_accounts
from streams.replay.producing import Feed
from streams.settings import Settings
from streams.sources.checkpoints import Checkpoints, Kept
from streams.sources.counts import Counts, Slowness
from streams.sources.source import Mapped, Source

CHECKPOINT_S = 2.0
# Kept messages between two checkpoints: a network that changes all its messages at once would else be copied whole.
MOST_KEPT = 1_000

_encode = msgspec.json.Encoder().encode


class Ingest:
    """One source on its way into the first input topic.

    Args:
        settings: where Kafka is.
        source: what is read.
        key: what its position is stored by: the source's name, and what it reads of it.
    """

    def __init__(self, settings: Settings, source: Source, key: str) -> None:
        self._settings, self._source, self._key = settings, source, key
        self._slowness = Slowness(lambda line: source.tell(line))
        self._kept: list[Kept] = []
        self._checkpoint_at_s = 0.0
        self.counts = Counts()

    async def run(self, stop: asyncio.Event, *, from_scratch: bool = False) -> None:
        """Go on until the source ends or `stop` is set; then everything taken is in Kafka, and the position behind it stored.

        Raises:
            ServiceUnavailable, ConfigurationError: as `Source.batches`, or of Kafka.
            DurabilityError: Kafka did not take a batch; the stored position is before it.
        """
        async with (
            Feed(self._settings, self._settings.topic_names[0]) as feed,
            Checkpoints(self._settings, self._key) as checkpoints,
        ):
            position = None if from_scratch else await checkpoints.load()
            self._checkpoint_at_s = time.monotonic() + CHECKPOINT_S
            stream = self._source.batches(position)
            try:
                failure = await self._read(stream, stop, feed, checkpoints)
                # Also when the source gave up: what it gave before is good. Not when a batch could not be sent whole.
                await self._checkpoint(feed, checkpoints)
            finally:
                await stream.aclose()
            if failure is not None:
                raise failure

    async def _read(self, stream: Any, stop: asyncio.Event, feed: Feed, checkpoints: Checkpoints) -> Exception | None:
        """Bring batches in until there are no more or `stop` is set; return what the source ended with, if it failed."""
        stopping = asyncio.ensure_future(stop.wait())
        coming: asyncio.Future[Any] | None = None
        try:
            while not stop.is_set():
                coming = coming or asyncio.ensure_future(anext(stream))
                left_s = max(0.0, self._checkpoint_at_s - time.monotonic())
                await asyncio.wait((coming, stopping), timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
                if coming.done():
                    try:
                        batch = coming.result()
                    except StopAsyncIteration:
                        return None
                    except Exception as e:  # raised by `run`, once everything before it is in Kafka
                        return e
                    finally:
                        coming = None
                    await self._send(batch, feed)
                if time.monotonic() >= self._checkpoint_at_s:
                    await self._checkpoint(feed, checkpoints)
            return None
        finally:
            for task in (stopping, coming):
                if task is not None:
                    task.cancel()
                    with contextlib.suppress(asyncio.CancelledError, StopAsyncIteration, Exception):
                        await task

    async def _send(self, batch: Sequence[Any], feed: Feed) -> None:
        """Map a batch and send its events: waits while Kafka has no room, and nothing more is read meanwhile."""
        keys: list[bytes | None] = []
        values: list[bytes] = []
        mapped = []
        for message in batch:
            one = self._source.map(message)
            try:
                encoded = [_encode(event) for event in one.events]
            except UnicodeEncodeError:  # JSON can escape half a character, which no id can be
                one, encoded = Mapped(one.kind, dropped="not UTF-8", is_kept=True), []
            values += encoded
            keys += [event.actor.encode() for event in one.events]
            mapped.append(one)
        self.counts.take(mapped)
        self._keep(batch, mapped)
        if values:
            await feed.send(keys, values)
            await feed.dispatch()
        if self._source.is_live and (behind_s := self.counts.behind_s(time.time())) is not None:
            self._slowness.look(behind_s)

    def _keep(self, batch: Sequence[Any], mapped: Sequence[Mapped]) -> None:
        for message, one in zip(batch, mapped, strict=True):
            if one.is_kept and not one.forget and len(self._kept) >= MOST_KEPT:
                self.counts.not_kept += 1
            elif one.is_kept:
                self.counts.kept += 1
                self._kept.append(Kept(one.kind, one.forget, self._source.raw(message)))

    async def _checkpoint(self, feed: Feed, checkpoints: Checkpoints) -> None:
        """Wait until Kafka has all that was taken; only then store where to go on."""
        position = self._source.position()
        await feed.flush()
        await checkpoints.keep(self._kept)
        gone = [kept.forget for kept in self._kept if kept.forget]
        if gone and self._settings.forget_gone:
            await asyncio.to_thread(forget_accounts, self._settings, gone)
        self._kept.clear()
        if position is not None:
            await checkpoints.store(position)
        self._source.durable()
        self.counts.checkpoints += 1
        self._checkpoint_at_s = time.monotonic() + CHECKPOINT_S
