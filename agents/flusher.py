"""The tick: how often what was taken becomes durable. Short while live, stretched while draining a backlog.

An entity costs the same per flush however often it was touched, so a longer tick is cheaper per event; while there is a
backlog nobody sees the difference.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable

from agents.app import CloutstreamApp
from agents.intake import Intake
from agents.scorer import Scorer
from streams.fatal import fatal

BACKLOG_MESSAGES = 20_000
Flush = Callable[[int], Awaitable[None]]


class Flusher:
    """Flushes all owned partitions on every tick."""

    def __init__(self, app: CloutstreamApp, intake: Intake, scorer: Scorer) -> None:
        self._app, self._intake, self._scorer = app, intake, scorer
        # A hand-over may come while a tick is under way: flushes of one partition must not overtake each other.
        self._locks: defaultdict[tuple[int, Flush], asyncio.Lock] = defaultdict(asyncio.Lock)

    async def run(self) -> None:
        """Flush for ever; a failure ends the process."""
        try:
            while True:
                started = time.monotonic()
                await self.flush(set(self._app.owned))
                await asyncio.sleep(max(0.0, self._tick_s() - (time.monotonic() - started)))
        except asyncio.CancelledError:
            raise
        except BaseException as e:
            fatal("making rows durable failed", e)

    def _tick_s(self) -> float:
        settings = self._app.settings
        draining = sum(self._intake.lag_messages.values()) > BACKLOG_MESSAGES
        return (settings.backlog_tick_ms if draining else settings.tick_ms) / 1000

    async def flush(self, partitions: Iterable[int]) -> None:
        """Make all that was taken of these partitions durable."""
        chosen = list(partitions)
        await asyncio.gather(*(self._locked(f, p) for p in chosen for f in (self._scorer.flush, self._intake.flush)))

    async def _locked(self, flush: Flush, partition: int) -> None:
        async with self._locks[partition, flush]:
            await flush(partition)


def add_flusher(app: CloutstreamApp, intake: Intake, scorer: Scorer) -> Flusher:
    """Add the tick to an app, and let it drain before partitions are handed over."""
    flusher = Flusher(app, intake, scorer)
    app.task(flusher.run)
    app.drain = flusher.flush
    return flusher
