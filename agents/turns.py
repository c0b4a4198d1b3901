"""Taking turns: heavy steps of the agents run one at a time, with room for I/O after each.

All agents share one event loop. Were each to run its next 30 ms step as soon as it may, every acknowledgement, which needs half a
dozen passes of the loop, would wait for half a dozen such steps of each, and a flush would take seconds while a backlog drains.
"""

from __future__ import annotations

import asyncio
import time
from types import TracebackType
from typing import Protocol

HEAVY_S = 0.005
PASSES = 8  # of the loop, about 0.1 ms each: what one request and its answer need


class Clock(Protocol):
    """The time, as the module of that name has it."""

    def time(self) -> float:
        """Return the time of day, epoch s."""

    def monotonic(self) -> float:
        """Return a time that only rises, s."""


class Turns:
    """An async context manager around one heavy step."""

    def __init__(self, clock: Clock = time) -> None:
        self._clock = clock
        self._lock = asyncio.Lock()
        self._started_s = 0.0

    async def __aenter__(self) -> None:
        """Wait for the turn."""
        await self._lock.acquire()
        self._started_s = self._clock.monotonic()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Let I/O go on, then let the next one have its turn."""
        try:
            if kind is None and self._clock.monotonic() - self._started_s > HEAVY_S:
                for _ in range(PASSES):
                    await asyncio.sleep(0)
        finally:
            self._lock.release()
