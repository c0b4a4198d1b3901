"""How fast a system works a full topic off: from its marks in Redis, which are looked at every 10 ms.

The clock starts when a quarter of the records has been worked through, so that start, join and warm-up are over, and stops
when the last is in Redis. CPU is that of all worker processes between these two moments. Then Redis must be right, or nothing
counts.
"""

from __future__ import annotations

import time
from typing import Any

from benchmarks.peers.stage import Filled, Stage, Workers
from benchmarks.peers.systems import System
from benchmarks.run import Deadline, Figures
from streams.errors import CloutstreamError

WARM_UP_RATIO = 0.25
LOOK_S = 0.01
TICK_S = 1.0  # while a backlog drains nobody looks at single changes
LIMIT_S = 400.0
LOGS_EVENTS = [25_000, 100_000, 400_000, 1_600_000, 6_400_000]
QUICK_EVENTS = 4_000


class Progress:
    """How many records have been worked through, as their marks in Redis tell."""

    def __init__(self, stage: Stage, system: System, topic: Filled) -> None:
        self._client, self._topic = stage.client, topic
        self._keys = [[system.score_key + author.decode() for author in authors] for authors in topic.log.marks()]
        self._passed = [0] * topic.log.partitions

    def look(self) -> int:
        """Return the number now."""
        while True:
            open_partitions = [p for p, passed in enumerate(self._passed) if passed < len(self._keys)]
            pipe: Any = self._client.pipeline(transaction=False)
            for p in open_partitions:
                pipe.exists(self._keys[self._passed[p]][p])
            moved = [p for p, found in zip(open_partitions, pipe.execute(), strict=True) if found]
            for p in moved:
                self._passed[p] += 1
            if not moved:
                return sum(int(self._topic.placed[passed, p]) for p, passed in enumerate(self._passed))


def measure(stage: Stage, system: System, events: int, workers: int) -> Figures:
    """Drain a topic of so many events by so many worker processes, and return what it took.

    Raises:
        CloutstreamError: a worker ended, it took too long, or what came out is wrong: then there is no figure.
    """
    topic = stage.filled(events, system)
    started_s = time.time()
    with stage.workers(system, topic.name, workers, TICK_S) as running:
        (begun_s, first), (ended_s, last) = _watched(stage, system, topic, running)
        running.check_metered()
        stage.wait_right(system, topic.expected, running)
    has_warmed_up = begun_s < ended_s  # a short log may be there at one look: then the start counts, too
    if not has_warmed_up:
        begun_s, first = started_s, 0
    done, seconds = last - first, ended_s - begun_s
    return {
        "name": "drain",
        "system": system.name,
        "workers": workers,
        "log": topic.log.source,
        "events": last,
        "seconds": seconds,
        "has_warmed_up": has_warmed_up,
        "events_per_second": done / seconds,
        "cpu_s_per_million": running.cpu_s(begun_s, ended_s) / done * 1e6,
        "broker_cpu_s_per_million": running.meter.cpu_s("broker", begun_s, ended_s) / done * 1e6,
        "redis_cpu_s_per_million": running.meter.cpu_s("redis", begun_s, ended_s) / done * 1e6,
        "peak_rss_mb": running.peak_rss_mb(),
        "first_in_redis_s": begun_s - started_s,
    }


def _watched(stage: Stage, system: System, topic: Filled, running: Workers) -> tuple[tuple[float, int], tuple[float, int]]:
    """Return when the clock started and when it stopped, epoch s, and how many records were done then."""
    progress, total = Progress(stage, system, topic), len(topic.log)
    deadline = Deadline(LIMIT_S, f"draining {total} records by {system.name}")
    begun: tuple[float, int] | None = None
    while True:
        done = progress.look()
        now = (time.time(), done)
        if begun is None and done >= WARM_UP_RATIO * total:
            begun = now
        if done == total:
            assert begun is not None
            time.sleep(0.1)  # one more sample of the meter
            return begun, now
        running.check()
        try:
            deadline.check()
        except CloutstreamError as e:
            raise CloutstreamError(f"{e}; {done} were done; it said last: {running.children[0].last_words()}") from e
        time.sleep(LOOK_S)


def enough(stage: Stage, system: System, workers: int, events: int, busy_s: float) -> tuple[int, Figures | None]:
    """Return how many events keep a system busy for `busy_s`, measured with longer and longer logs from `events` on.

    With it come the figures of that many, where they were measured: they count as the first round.
    """
    while events < LOGS_EVENTS[-1]:
        found = measure(stage, system, events, workers)
        if found["has_warmed_up"] and found["seconds"] >= busy_s:
            return events, found
        wanted = found["events_per_second"] * busy_s / (1 - WARM_UP_RATIO)
        longer = [n for n in LOGS_EVENTS if n > events]
        events = next((n for n in longer if n >= wanted), longer[-1])
        if found["events_per_second"] * LIMIT_S / 2 < events:
            break
    return events, None
