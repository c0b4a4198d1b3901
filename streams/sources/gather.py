"""From items one by one to batches of whatever has come, with bounded room in between."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import TypeVar

from streams.sources.connecting import Broken

MOST_ITEMS = 2_000
MOST_BYTES = 16 << 20
T = TypeVar("T")


async def gathered(
    items: AsyncIterator[T], silence_s: float | None, size: Callable[[T], int], most: int = MOST_ITEMS
) -> AsyncGenerator[list[T], None]:
    """Yield lists of at most `most` items, each as soon as there is one; `size` says how many bytes an item has.

    When nobody takes them, no more than `most` items, or `MOST_BYTES`, are read: what delivers them gets no room and slows down.

    Raises:
        Broken: nothing came for `silence_s`, if that isn't None; whatever `items` raises comes through.
    """
    waiting: list[T] = []
    something, room = asyncio.Event(), asyncio.Event()

    async def read() -> None:
        held_bytes = 0
        async for item in items:
            held_bytes = size(item) + (held_bytes if waiting else 0)
            waiting.append(item)
            something.set()
            if len(waiting) >= most or held_bytes >= MOST_BYTES:
                room.clear()
                await room.wait()

    reading = asyncio.ensure_future(read())
    reading.add_done_callback(lambda _: something.set())
    try:
        while True:
            try:
                await asyncio.wait_for(something.wait(), silence_s)
            except TimeoutError:
                raise Broken(f"nothing came for {silence_s:g} s") from None
            something.clear()
            if waiting:
                batch = waiting[:]
                waiting.clear()
                room.set()
                yield batch
            elif reading.done():
                reading.result()
                return
            if reading.done():
                something.set()
    finally:
        reading.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await reading
