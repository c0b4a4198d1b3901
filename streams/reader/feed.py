"""Following streams: iterators that wait for what comes next, and go on by themselves after Redis was away."""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Generic, TypeVar

from streams.errors import ServiceUnavailable
from streams.reader.cursor import Cursor
from streams.reader.plan import Plan

T = TypeVar("T")
BLOCK_S = 1.0  # of one command; well below what a client waits for a reply
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 1.0


class _Following(Generic[T]):
    """What both feeds do: only who waits differs."""

    def __init__(self, cursor: Cursor[T]) -> None:
        self._cursor = cursor
        self._pause_s = 0.0
        self._is_checked = False
        self.problem: str | None = None
        self.is_gapless = True

    @property
    def position(self) -> dict[str, str] | None:
        """How far what was handed out goes, as JSON can keep it: give it back to go on behind it.

        None before the first look of a feed that begins at the newest entries.
        """
        return self._cursor.position

    def _look(self, block_s: float) -> Plan[None]:
        """Take in what is there, waiting up to `block_s` for the first entry; without Redis only wait."""
        try:
            if not self._cursor.is_placed:
                self._cursor.place((yield self._cursor.placing()))
            elif not self._is_checked and self._cursor.has_gap((yield self._cursor.checking())):
                self.is_gapless = False
            self._is_checked = True
            self._cursor.take((yield [self._cursor.reading(block_s)])[0])
            self._pause_s, self.problem = 0.0, None
        except ServiceUnavailable as e:
            self.problem, self._is_checked = str(e), False
            self._pause_s = min(LONGEST_PAUSE_S, 2 * self._pause_s or FIRST_PAUSE_S)
            # With some chance in it: not all readers of a server should come back in the same moment.
            yield min(block_s, self._pause_s * random.uniform(0.5, 1.0))

    def _until(self, wait_s: float) -> Plan[list[T]]:
        """Hand out what has come, at least one look and up to `wait_s` after now."""
        end, is_looked = time.monotonic() + wait_s, False
        while True:
            items, left_s = list(self._cursor.hand_out()), end - time.monotonic()
            if items or (is_looked and left_s <= 0):
                return items
            yield from self._look(min(BLOCK_S, max(0.0, left_s)))
            is_looked = True


class Feed(_Following[T]):
    """Iterates for ever over what comes; `position` moves with each item. `read` takes a bounded time instead.

    While Redis can't be reached it tries again, with pauses up to a second, and `problem` says why; None once it is reached.
    `is_gapless` is False from when something may have gone unread: a position so old that what came after it is no longer kept,
    or a Redis that came back without what it had.
    """

    def __init__(self, cursor: Cursor[T], run: Callable[[Plan[None] | Plan[list[T]]], list[T] | None]) -> None:
        super().__init__(cursor)
        self._run = run

    def __iter__(self) -> Iterator[T]:
        while True:
            yield from self._cursor.hand_out()
            self._run(self._look(BLOCK_S))

    def read(self, wait_s: float = BLOCK_S) -> list[T]:
        """Return what has come, waiting up to `wait_s` for the first item; nothing when nothing came or Redis is away.

        A Redis that is silent can hold this up for 10 s more.
        """
        return self._run(self._until(wait_s)) or []


class AsyncFeed(_Following[T]):
    """`Feed` for asyncio."""

    def __init__(self, cursor: Cursor[T], run: Callable[[Plan[None] | Plan[list[T]]], Awaitable[list[T] | None]]) -> None:
        super().__init__(cursor)
        self._run = run

    async def __aiter__(self) -> AsyncIterator[T]:
        while True:
            for item in self._cursor.hand_out():
                yield item
            await self._run(self._look(BLOCK_S))

    async def read(self, wait_s: float = BLOCK_S) -> list[T]:
        """See `Feed.read`."""
        return await self._run(self._until(wait_s)) or []
