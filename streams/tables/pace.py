"""How much all entities of a partition together are engaged with: what tells a busy hour from one account's own news.

Kept beside the rows and not in the changelog: it is their sum, and is added up again when a partition is taken over.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streams.columns.records import picked
from streams.model import decay

Floats = NDArray[np.float64]


@dataclass(slots=True)
class Pace:
    """Sums of the fast and the day counters, exact at `at`, epoch s; `since` is the first event's time, 0 before it."""

    fast: float = 0.0
    day: float = 0.0
    at: float = 0.0
    since: float = 0.0

    def add(self, at_s: Floats, weight: Floats, half_lives_s: tuple[float, float]) -> None:
        """Add engagements.

        Args:
            at_s: their times, epoch s, at least one.
            weight: what each counts; negative for one taken back.
            half_lives_s: fast, day.
        """
        newest, first = max(self.at, float(at_s.max())), float(at_s.min())
        fast_s, day_s = half_lives_s
        gone = np.array([newest - self.at]) if self.at else np.zeros(1)
        self.fast = self.fast * float(decay.fade(gone, fast_s)[0]) + float(weight @ decay.fade(newest - at_s, fast_s))
        self.day = self.day * float(decay.fade(gone, day_s)[0]) + float(weight @ decay.fade(newest - at_s, day_s))
        self.at, self.since = newest, min(self.since or first, first)


def pace_of(state: NDArray[np.void], since_s: Floats, half_lives_s: tuple[float, float]) -> Pace:
    """Return the sums over entity rows; `since_s` of each is 0 where it isn't known."""
    used = state["at"] > 0  # not those just made, which nothing is folded into yet
    state, since_s = picked(state, used), since_s[used]
    if not len(state):
        return Pace()
    newest = float(state["at"].max())
    fast, day = (
        float(state[column] @ decay.fade(newest - state["at"], half_life_s))
        for column, half_life_s in zip(("fast", "day"), half_lives_s, strict=True)
    )
    known = since_s[since_s > 0]
    # Rows of a release that didn't note it are older than any that are noted.
    return Pace(fast, day, newest, float(known.min()) if len(known) == len(since_s) else 1.0)
