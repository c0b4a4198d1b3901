"""The tick: how often what was taken becomes durable. Short while live, stretched while draining a backlog.

An entity costs the same per flush however often it was touched, so a longer tick is cheaper per event; while there is a
backlog nobody sees the difference.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection

from agents.host import Host
from agents.intake import Intake
from agents.scorer import Scorer
from streams.fatal import fatal

BACKLOG_MESSAGES = 20_000
# Nobody reads actors' rows but this worker: how often they become durable only decides how far a crash sets it back.
INTAKE_INTERVAL_S = 0.25
Flush = Callable[[Collection[int]], Awaitable[None]]


class Flusher:
    """Flushes all owned partitions on every tick."""

    def __init__(self, app: Host, intake: Intake, scorer: Scorer) -> None:
        self._app, self._intake, self._scorer = app, intake, scorer
        self._flushes: dict[str, Flush] = {"actors": intake.flush, "entities": self._score}
        # A hand-over may come while a tick is under way: flushes of a table must not overtake each other.
        self._locks = {table: asyncio.Lock() for table in self._flushes}

    async def run(self) -> None:
        """Flush for ever."""
        await asyncio.gather(
            self._repeat("entities", self._tick_s),
            self._repeat("actors", lambda: max(INTAKE_INTERVAL_S, self._tick_s())),
        )

    async def _repeat(self, table: str, interval_s: Callable[[], float]) -> None:
        while True:
            started_s = self._app.clock.monotonic()
            if self._app.owned:
                await self._locked(table, sorted(self._app.owned))
            await asyncio.sleep(max(0.001, interval_s() - (self._app.clock.monotonic() - started_s)))

    def _tick_s(self) -> float:
        settings = self._app.settings
        # Of partitions still owned: what was behind in one that moved away is its next owner's.
        lag = sum(n for tp, n in self._intake.fetched.lag_messages.items() if tp.partition in self._app.owned)
        draining = lag > BACKLOG_MESSAGES
        return (settings.backlog_tick_ms if draining else settings.tick_ms) / 1000

    async def flush(self, partitions: Collection[int]) -> None:
        """Make all that was taken of these partitions durable."""
        await asyncio.gather(*(self._locked(table, partitions) for table in self._flushes))

    async def _score(self, partitions: Collection[int]) -> None:
        await self._scorer.flush(partitions, self._app.clock.monotonic())

    async def _locked(self, table: str, partitions: Collection[int]) -> None:
        async with self._locks[table]:
            try:
                await self._flushes[table](partitions)
                self._app.counters.flushes[table] += 1
            except asyncio.CancelledError:
                raise
            except BaseException as e:
                # Its rows count as clean: a hand-over that nobody waits for any longer must not go on as if they were durable.
                fatal(f"making rows of the {table} table, partitions {sorted(partitions)}, durable failed", e)


def add_flusher(app: Host, intake: Intake, scorer: Scorer) -> Flusher:
    """Add the tick to an app, and let it drain before partitions are handed over."""
    flusher = Flusher(app, intake, scorer)
    app.endless("the tick", flusher.run)
    app.drain = flusher.flush
    return flusher
