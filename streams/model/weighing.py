"""What one engagement is worth: kind * trust * budget * repeat * reciprocity, each 0..1 (`model.md` 2).

Intake computes these where the actor's own rows are; they are recorded with the engagement as facts.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
ACTIVE_DAYS_SCALE = 5.0
OWN_REACH_SCALE = 3.0
BUDGET_HALF_LIFE_S = 86400.0
REPEAT_WINDOW_S = 86400.0
RECIPROCITY_COST = 0.5
# A favour counts in full down to a tenth of a like's weight: fakes' favours are favours too.
FULL_FAVOUR = 0.026
# An exponent beyond which a decayed rate of one batch is only approximate; weights are bounded by 0..1 all the same.
_CLIP = 30.0


def trust_floor(floor: float, log_age_s: float, age_scale_s: float) -> float:
    """Return the floor for actors whose age nobody told: near 1 in a young log, which can't tell old from new."""
    return max(floor, 1.0 - log_age_s / age_scale_s)


def trust(age_s: Floats, active_days: Floats, own_reach: Floats, floor: Floats, age_scale_s: float) -> Floats:
    """Return trust of actors, floor..1, shape (n,).

    Args:
        age_s: since the account was made where told, else since first seen; broker time.
        active_days: distinct days with an event, broker time.
        own_reach: R of the actor's own account row.
        floor: what a stranger is worth.
        age_scale_s: about the age at which age stops mattering (factor e - 1 of it).
    """
    age = np.minimum(1.0, np.log1p(np.maximum(age_s, 0.0) / age_scale_s))
    presence = np.maximum(1 - np.exp(-active_days / ACTIVE_DAYS_SCALE), 1 - np.exp(-own_reach / OWN_REACH_SCALE))
    return floor + (1 - floor) * age * presence


def budget(rate_per_day: Floats, budget_per_day: float) -> Floats:
    """Return min(1, budget/rate): who engages with everything gives little with each."""
    return np.minimum(1.0, budget_per_day / np.maximum(rate_per_day, 1e-9))


def daily_rates(
    rate: Floats, as_of_s: Floats, at_s: Floats, first: NDArray[np.intp], group: NDArray[np.intp]
) -> tuple[Floats, Floats]:
    """Return each event's decayed daily rate including itself, and each group's newest time.

    Events are sorted by group and, inside, by offset. The rate of an actor is the sum of 2^(-elapsed/1 d) over its events,
    times ln 2: steady traffic of n events a day reads n.

    Args:
        rate: decayed count of each group at `as_of_s`, shape (groups,).
        as_of_s: epoch s, shape (groups,); may be 0 for a new actor with rate 0.
        at_s: event times, shape (n,).
        first: index of each group's first event.
        group: group of each event.
    """
    newest = np.maximum.reduceat(at_s, first)
    newest = np.maximum(newest, as_of_s)
    back = np.clip((newest[group] - at_s) / BUDGET_HALF_LIFE_S, 0, _CLIP)
    at_newest = np.exp2(-back)
    running = np.cumsum(at_newest)
    before_group = (running[first] - at_newest[first])[group]
    carried = rate * np.exp2(-np.clip((newest - as_of_s) / BUDGET_HALF_LIFE_S, 0, 1000))
    counts = (running - before_group + carried[group]) * np.exp2(back)
    return counts, newest


def reciprocity(favours: Floats) -> Floats:
    """Return 1 - 0.5 min(1, favours), favours being the decayed weight of what the target lately did for the actor."""
    return 1 - RECIPROCITY_COST * np.minimum(1.0, favours / FULL_FAVOUR)
