"""What a worker counts while it works, for its metrics: per round of intake, per write and per flush, never per event."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from streams.intake.take import Taken

# Upper bounds, s: live events are published within fractions of a second, replayed ones are days old.
AGE_BOUNDS_S = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0, 86400.0)

DELIVERY_OUTCOMES = ("delivered", "failed", "undelivered")


class Ages:
    """How old events were when they were published: how many up to each of `AGE_BOUNDS_S`, and the sum, s."""

    def __init__(self) -> None:
        self.buckets: NDArray[np.int64] = np.zeros(len(AGE_BOUNDS_S) + 1, dtype=np.int64)
        self.sum_s = 0.0

    def add(self, ages_s: NDArray[np.float64]) -> None:
        """Count ages, shape (n,), s."""
        self.buckets += np.bincount(np.searchsorted(AGE_BOUNDS_S, ages_s), minlength=len(self.buckets))
        self.sum_s += float(ages_s.sum())


@dataclass
class Counters:
    """Since the process began. Of this process alone: counts that move with a partition would jump at each rebalance."""

    events: Counter[str] = field(default_factory=Counter)  # by outcome
    dead_letters: Counter[str] = field(default_factory=Counter)  # by fault
    ages: Ages = field(default_factory=Ages)
    fetches: int = 0
    flushes: Counter[str] = field(default_factory=Counter)  # by table: those that are over, and pieces of them
    redis_is_up: bool = True  # a worker doesn't start without it
    redis_rebuilds: int = 0
    alerts: int = 0
    deliveries: Counter[str] = field(default_factory=Counter)  # of alerts to webhooks, by outcome
    commits: int = 0
    committed_at_s: float = field(default_factory=time.time)  # of the last commit, or of the start

    def commit(self, at_s: float) -> None:
        """Count a commit that succeeded at `at_s`, epoch s."""
        self.commits += 1
        self.committed_at_s = at_s

    def take(self, taken: Taken) -> None:
        """Count a round of intake."""
        self.events.update(taken.outcomes)
        self.dead_letters.update(refused.fault for _, refused in taken.refused)
