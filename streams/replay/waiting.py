"""Waiting until everything sent is applied and published, by offsets: nothing is guessed from time.

Three ends are passed one after the other: of the input topics, then of the engagements those events became, then of the
scores those engagements made.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import redis

from streams.errors import ServiceUnavailable
from streams.kafka.topics import end_offsets
from streams.reader import Reader
from streams.settings import Settings

IDLE_LIMIT_S = 60.0
_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one stage is: `done` of `total` records of `topic`."""

    stage: str
    topic: str
    done: int
    total: int


def wait_until_published(
    settings: Settings,
    client: redis.Redis,
    *,
    on_progress: Callable[[Progress], None] = lambda _: None,
    idle_limit_s: float = IDLE_LIMIT_S,
) -> None:
    """Return when what is in the input topics now is folded, durable and in Redis.

    Args:
        settings: which topics and which prefix.
        client: a Redis client whose replies are bytes.
        on_progress: called at every look; may raise to end the wait, e.g. when the worker has ended.
        idle_limit_s: longest time without any movement.

    Raises:
        ServiceUnavailable: nothing moved for `idle_limit_s`.
    """
    reader = Reader(settings, client)

    def by_stat(name: str) -> Callable[[], dict[int, int]]:
        return lambda: {p: int(row.get(name, 0)) for p, row in reader.partition_stats().items()}

    def published() -> dict[int, int]:
        keys = [f"{settings.redis_prefix}published:{p}" for p in range(settings.partitions)]
        return {p: int(value or 0) for p, value in enumerate(client.mget(keys))}

    stages = [("reading", topic, by_stat(f"position:{topic}")) for topic in settings.topic_names]
    stages.append(("applying", settings.engagements_topic, by_stat("applied_engagements")))
    stages.append(("publishing", settings.scores_topic, published))
    for stage, topic, positions in stages:
        _pass(settings, stage, topic, end_offsets(settings, topic), positions, on_progress, idle_limit_s)


def _pass(
    settings: Settings,
    stage: str,
    topic: str,
    ends: Mapping[int, int],
    positions: Callable[[], Mapping[int, int]],
    on_progress: Callable[[Progress], None],
    idle_limit_s: float,
) -> None:
    before, moved_at = -1, time.monotonic()
    while True:
        at = positions()
        done = sum(min(at.get(p, 0), end) for p, end in ends.items())
        on_progress(Progress(stage, topic, done, sum(ends.values())))
        behind = {p: end for p, end in ends.items() if at.get(p, 0) < end}
        if not behind:
            return
        if done != before:
            before, moved_at = done, time.monotonic()
        elif time.monotonic() - moved_at > idle_limit_s:
            p = min(behind)
            raise ServiceUnavailable(
                "a worker",
                f"app {settings.app_id!r}",
                f"nothing moved for {idle_limit_s:.0f} s while {stage}: {topic}[{p}] is at offset {at.get(p, 0)} of {behind[p]}; "
                "expected a running `cloutstream worker` with the same CLOUTSTREAM_ settings",
            )
        time.sleep(_POLL_S)
