"""Noter: what readers and operators are told of each partition: counts, how far it is, how late its scores are."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.host import Host
from agents.intake import Intake
from agents.scorer import Scorer
from streams.redis.writer import Writer

_log = logging.getLogger("cloutstream")
NOTE_INTERVAL_S = 0.25
LATENCY_WINDOW_S = 10.0


class Noter:
    """The publisher's: of all owned partitions."""

    def __init__(self, app: Host, intake: Intake, scorer: Scorer) -> None:
        self._app, self._intake, self._scorer = app, intake, scorer
        self._late_s: deque[tuple[float, NDArray[np.float64]]] = deque(maxlen=1000)  # when written, how late each was
        self._noted_at_s = 0.0
        self._told_people: dict[int, dict[str, int]] = {}  # by partition and campaign

    def keep(self, partitions: Collection[int]) -> None:
        """Know that all other partitions are somebody else's now."""
        self._told_people = {p: people for p, people in self._told_people.items() if p in partitions}

    def written(self, times: Sequence[float]) -> None:
        """Know that scores of events of these times, epoch s, were just written."""
        if times:  # not of tombstones alone
            now_s = self._app.clock.time()
            late_s = now_s - np.array(times)
            self._late_s.append((now_s, late_s))
            self._app.counters.ages.add(late_s)

    @property
    def is_due(self) -> bool:
        """Whether it is time to note."""
        return self._app.clock.monotonic() - self._noted_at_s > NOTE_INTERVAL_S

    async def note(self, writer: Writer, written: Callable[[int], int], is_shared: Callable[[int], None]) -> None:
        """Write what is to be told.

        Args:
            writer: writes it.
            written: says how far a partition's scores are written, as offset.
            is_shared: told of a partition of which somebody else wrote, too.

        Raises:
            redis.RedisError: Redis is away; call again later.
        """
        app = self._app
        self._noted_at_s = app.clock.monotonic()
        since_s = app.clock.time() - LATENCY_WINDOW_S
        recent = [late_s for at_s, late_s in self._late_s if at_s > since_s]
        p50, p99 = np.percentile(np.concatenate(recent), [50, 99]) * 1000 if recent else (0.0, 0.0)
        watermark = 0.0
        for p in sorted(app.owned):
            watermark = max(watermark, app.entity_rows.log(p).watermark)
            stats: dict[str, Any] = {
                **self._intake.shown.get(p, {}),
                "applied_engagements": self._scorer.durable_offset.get(p, 0),
                "updated_at": round(app.clock.time(), 3),
                "latency_p50_ms": round(float(p50), 1),
                "latency_p99_ms": round(float(p99), 1),
            }
            if not await writer.note(p, stats, written(p)):
                _log.warning("somebody else wrote of partition %d, too: who had it before and didn't know, or has it now", p)
                is_shared(p)
            people = app.entities.partition(p).people.counts()
            if people != self._told_people.get(p):
                await writer.people(people)
                self._told_people[p] = people
        if watermark:
            await writer.clock(watermark)
