"""What a seed chooses for a schedule: how much there is of everything that can go wrong."""

from __future__ import annotations

import dataclasses
import random
from dataclasses import dataclass
from functools import cache
from typing import Any

from streams.settings import Settings

from .world import World


@dataclass
class Plan:
    """Times in virtual seconds, chances from 0 to 1."""

    partitions: int = 1
    topics: int = 1
    events: int = 30
    people: int = 6
    span_s: float = 2.0  # events come within it
    tick_ms: float = 150.0
    step_s: float = 0.0
    latency_mean_s: float = 0.01
    fetch_s: float = 0.1
    slow_from_s: float = 1e9  # the broker answers late: longer than a hand-over waits
    slow_until_s: float = 0.0
    workers: int = 1
    joins_s: float = 0.0  # when the second worker comes
    leaves_s: tuple[float, ...] = ()  # when a worker is told to stop; it comes again
    crash_steps: tuple[int, ...] = ()  # steps after which incarnations die, in their order
    row_crashes: float = 0.0  # that a worker dies once the broker has rows of its entities, before it hears of that
    pauses: tuple[tuple[float, float], ...] = ()  # when a worker stops, and for how long
    session_s: float = 1.0
    send_failures: float = 0.0
    appended_twice: float = 0.0
    splits: float = 0.1
    drops: float = 0.0  # ranges that never reach an agent
    again: float = 0.0  # fetches from an earlier offset
    redis_away: tuple[tuple[float, float], ...] = ()
    wipes_s: tuple[float, ...] = ()
    redis_cuts: float = 0.0  # calls that are answered by an error, done or not
    compactions_s: tuple[float, ...] = ()
    compaction_lag_s: float = 2.5
    is_small: bool = False  # sizes are small: see `schedule`
    campaigns_s: tuple[tuple[float, float], ...] = ()  # when each is made, and ended
    forgets: tuple[tuple[float, str], ...] = ()  # when who is forgotten
    control_s: float = 0.05  # how long a fetch of the control topic waits
    control_stalls: tuple[tuple[float, float], ...] = ()  # when no fetch of it is answered
    poison: float = 0.05
    twice: float = 0.15
    undo: float = 0.08
    tags: float = 0.15

    @classmethod
    def of(cls, seed: int) -> Plan:
        """Return a seed's plan."""
        rng = random.Random(~seed)

        def often(probability: float) -> bool:
            return rng.random() < probability

        span_s = rng.choice([0.3, 0.8, 1.5])
        busy_s = span_s + 0.3
        plan = cls(
            partitions=rng.choice([1, 1, 2, 2, 3]),
            topics=2 if often(0.2) else 1,
            events=rng.randint(15, 60),
            people=rng.choice([4, 8, 8, 60]),
            span_s=span_s,
            tick_ms=rng.choice([80.0, 200.0, 400.0]),
            step_s=rng.choice([0.0, 1e-5, 2e-4, 1e-3]),
            latency_mean_s=rng.choice([0.002, 0.01, 0.05]),
            fetch_s=rng.choice([0.05, 0.15, 0.3]),
            splits=rng.choice([0.0, 0.1, 0.5]),
            session_s=rng.choice([0.25, 0.6]),
        )
        if often(0.45):
            plan.workers, plan.joins_s = 2, rng.choice([0.0, rng.uniform(0, busy_s)])
        if often(0.25):
            plan.leaves_s = tuple(sorted(rng.uniform(0.2, busy_s) for _ in range(rng.choice([1, 1, 2]))))
        if often(0.65):
            plan.crash_steps = tuple(int(rng.expovariate(1 / 350)) + 1 for _ in range(rng.choice([1, 1, 2, 3, 4])))
        if often(0.35):
            plan.pauses = tuple((rng.uniform(0.1, busy_s), rng.choice([0.1, 0.5, 1.2])) for _ in range(rng.choice([1, 1, 2])))
        if often(0.1):
            plan.slow_from_s = rng.uniform(0, busy_s)
            plan.slow_until_s = plan.slow_from_s + rng.choice([1.0, 7.0])
        if often(0.1):
            plan.send_failures = rng.choice([0.01, 0.05])
        if often(0.15):
            plan.appended_twice = rng.choice([0.02, 0.1])
        if often(0.3):
            plan.drops = rng.choice([0.05, 0.3])
        if often(0.3):
            plan.again = rng.choice([0.05, 0.3])
        if often(0.2):
            plan.redis_away = ((start_s := rng.uniform(0, busy_s), start_s + rng.choice([0.2, 1.0])),)
        if often(0.2):
            plan.wipes_s = tuple(rng.uniform(0, busy_s) for _ in range(rng.choice([1, 1, 2])))
        if often(0.2):
            plan.redis_cuts = rng.choice([0.02, 0.2])
        if often(0.2):
            plan.compactions_s = tuple(sorted(rng.uniform(0.5, busy_s + 1.5) for _ in range(2)))
            plan.compaction_lag_s = rng.choice([0.0, 2.5]) if not plan.pauses and not plan.crash_steps else 2.5
        plan.is_small = often(0.5)
        if often(0.4):
            made_s = [rng.uniform(-0.2, span_s) for _ in range(rng.choice([1, 2, 3]))]
            plan.campaigns_s = tuple((at_s, at_s + rng.choice([0.3, 1.0, 1e9])) for at_s in made_s)
            plan.tags = 0.5
            if often(0.4):
                plan.control_stalls = ((start_s := rng.uniform(0, busy_s), start_s + rng.choice([0.2, 1.0])),)
        if often(0.3):  # not p0: a rule is about it, which is no worker's to change
            plan.forgets = tuple(
                (rng.uniform(-0.2, busy_s), f"p{rng.choice([1, 1, 2, 3])}") for _ in range(rng.choice([1, 1, 2]))
            )
        return plan

    def settings(self) -> Settings:
        """Return the workers' settings."""
        return _settings(self.partitions, self.topics, self.tick_ms)

    def latency_s(self, world: World) -> float:
        """Return how long a message takes one way."""
        late_s = world.rng.expovariate(1 / self.latency_mean_s)
        if self.slow_from_s <= world.now_s < self.slow_until_s:
            late_s += self.slow_until_s - world.now_s
        return late_s

    def calm(self) -> None:
        """Have nothing go wrong any more."""
        self.row_crashes = self.send_failures = self.appended_twice = self.drops = self.again = self.redis_cuts = 0.0
        self.slow_until_s = 0.0
        self.redis_away = ()
        self.control_stalls = ()

    def shown(self) -> str:
        """Return what differs from the default."""
        default: Any = Plan()
        chosen = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return ", ".join(f"{name}={value}" for name, value in chosen.items() if value != getattr(default, name))


@cache
def _settings(partitions: int, topics: int, tick_ms: float) -> Settings:
    names = ",".join(["tweets", "likes"][:topics])
    return Settings(
        app_id="sim", partitions=partitions, input_topics=names, tick_ms=tick_ms, history_points=3, redis_prefix="cs:",
        # Few people, so that accounts come onto boards of topics and leave them.
        topic_enter_reach=0.5, topic_leave_reach=0.3,
    )  # fmt: skip
