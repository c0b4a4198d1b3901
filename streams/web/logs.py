"""The last entries of streams, in batches: read once for all, found again by who comes back after a break."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from streams.reader import AsyncFeed
from streams.reader.cursor import Start
from streams.web.feeds import Feed

BATCHES = 32  # that are held
PER_BATCH = 500  # newest entries of a batch that are held: about 200 KB
BATCH_S = 0.5  # at most one batch in so long
LOOKS = 20  # at the streams for what somebody missed, 500 entries of each
Encoded = tuple[str, bytes]  # the entity that an entry is about, or nothing, and its JSON
Position = dict[str, str]  # stream -> id of the last entry seen


@dataclass(frozen=True, slots=True)
class Batch:
    """The newest of `count` entries that came together; `end` is how many had come by then, `position` is behind them."""

    entries: list[Encoded]
    count: int
    end: int
    position: Position


class Log(Feed):
    """The last entries of streams.

    Args:
        name: of the events, and what the names of its streams begin with.
        follow: returns a feed of the reader from a position.
        encode: an entry as it is sent.
    """

    def __init__(self, name: str, follow: Callable[[Start], AsyncFeed[Any]], encode: Callable[[Any], Encoded]) -> None:
        super().__init__(name)
        self._follow, self._encode = follow, encode
        self._batches: deque[Batch] = deque(maxlen=BATCHES)
        self._missed: tuple[Position, asyncio.Task[Batch | None]] | None = None
        self.came = 0  # entries that came so far
        self.position: Position | None = None  # None before the first look

    async def run(self) -> None:
        """Take in what comes, a batch at a time; the reader's feed itself goes on after Redis was away."""
        feed = self._follow("newest")
        while True:
            entries = await feed.read(BATCH_S)
            is_placed_now = self.position is None and feed.position is not None
            self.position = feed.position
            if entries:
                self.came += len(entries)
                self._batches.append(self._batch(entries, len(entries), self.came, feed.position or {}))
            if entries or is_placed_now:
                self._wake()
            if entries:
                await asyncio.sleep(BATCH_S)

    def since(self, end: int) -> list[Batch]:
        """Return the batches that came after so many entries, as far as they are still held."""
        return [batch for batch in self._batches if batch.end > end]

    def part_of(self, position: Mapping[str, str]) -> Position:
        """Return what of a position is about the streams of this log."""
        return {name: at for name, at in position.items() if name.startswith(self.name)}

    async def missed(self, position: Position) -> Batch | None:
        """Return what came behind a position; None when Redis is away. What came after its `end` comes after it.

        An entry may be in both, but none in neither.
        """
        for batch in self._batches:
            if batch.position == position:
                return Batch([], 0, batch.end, position)
        # All who were connected come back after a restart, most of them from the same position: one reads for all.
        if self._missed is None or self._missed[0] != position or self._missed[1].done():
            self._missed = position, asyncio.create_task(self._read_missed(position))
        return await asyncio.shield(self._missed[1])

    async def _read_missed(self, position: Position) -> Batch | None:
        end, feed, entries, count = self.came, self._follow(position), list[Any](), 0
        for _ in range(LOOKS):
            came = await feed.read(0)
            if feed.problem is not None:
                return None
            if not came:
                break
            entries, count = [*entries, *came][-PER_BATCH:], count + len(came)
        return self._batch(entries, count, end, feed.position or position)

    def _batch(self, entries: list[Any], count: int, end: int, position: Position) -> Batch:
        return Batch([self._encode(entry) for entry in entries[-PER_BATCH:]], count, end, position)
