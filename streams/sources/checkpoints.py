"""Where a source goes on, and the messages it keeps, in Kafka.

The position is in a compacted topic and not in Redis: it may only say what Kafka has, so it is written where that is known and
lost only together with it. Redis may be wiped at any time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from streams.columns.placement import partitions_of
from streams.errors import ConfigurationError
from streams.kafka.bulk import BulkProducer
from streams.kafka.topics import read_topic
from streams.settings import Settings
from streams.sources.source import Position

_MOST_BYTES = 256 * 1024  # of a message kept; what is longer is cut


@dataclass(frozen=True, slots=True)
class Kept:
    """A message that stays: what kind it is, the account that it asks to forget or nothing, and the message itself."""

    kind: str
    forget: str
    message: bytes


class Checkpoints:
    """The position and the kept messages of one source; an async context manager."""

    def __init__(self, settings: Settings, source: str) -> None:
        self._settings, self._source = settings, source
        self._key = source.encode()
        self._partition = int(partitions_of([self._key], settings.partitions)[0])
        self._producer = BulkProducer(settings)

    async def __aenter__(self) -> Checkpoints:
        """Connect."""
        await self._producer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Disconnect."""
        await self._producer.stop()

    async def load(self) -> Position | None:
        """Return the newest position stored, None when there is none.

        Raises:
            ServiceUnavailable: Kafka can't be reached.
            ConfigurationError: there is no such topic, or what it holds is no position.
        """
        found = await asyncio.to_thread(self._read)
        if found is None:
            return None
        try:
            return msgspec.json.decode(found, type=dict[str, Position])["position"]
        except (msgspec.DecodeError, KeyError):
            raise ConfigurationError(
                f"the position of {self._source!r} in {self._settings.cursors_topic} is {found[:80]!r}; expected one that this "
                "version wrote; start with --from-scratch"
            ) from None

    def _read(self) -> bytes | None:
        newest = None
        for record in read_topic(self._settings, self._settings.cursors_topic, [self._partition]):
            if record.key == self._key:
                newest = record.value
        return newest

    async def store(self, position: Position) -> None:
        """Store a position; everything before it must be acknowledged already.

        Raises:
            DurabilityError: it could not be stored; the one before stands.
        """
        value = msgspec.json.encode({"position": position, "stored": {"at": round(time.time(), 3)}})
        await self._producer.send(self._settings.cursors_topic, self._partition, [self._key], [value])

    async def keep(self, messages: Sequence[Kept]) -> None:
        """Put messages into the topic of kept ones, with their kind, and whom to forget, as headers.

        Raises:
            DurabilityError: they could not be made durable.
        """
        if messages:
            await self._producer.send(
                self._settings.kept_topic,
                self._partition,
                [self._key] * len(messages),
                [kept.message[:_MOST_BYTES] for kept in messages],
                [
                    [("kind", kept.kind.encode(errors="replace")), ("forget", kept.forget.encode(errors="replace"))]
                    for kept in messages
                ],
            )
