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


def trust_floor(floor: float, log_age_s: Floats, age_scale_s: float) -> Floats:
    """Return the floor for actors whose age nobody told: near 1 in a young log, which can't tell old from new."""
    return np.maximum(floor, 1.0 - log_age_s / age_scale_s)


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
    result: Floats = floor + (1 - floor) * age * presence
    return result


def budget(rate_per_day: Floats, budget_per_day: float) -> Floats:
    """Return min(1, budget/rate): who engages with everything gives little with each."""
    factor: Floats = np.minimum(1.0, budget_per_day / np.maximum(rate_per_day, 1e-9))
    return factor


def daily_counts(
    count: Floats, as_of_s: Floats, at_s: Floats, first: NDArray[np.intp], group: NDArray[np.intp]
) -> tuple[Floats, Floats]:
    """Return, for each event, its actor's decayed count up to and with it, and the time all of an actor's counts are exact at.

    The count is sum of 2^(-(newest - t)/1 d), at the newest time of the actor so far: a back-dated event counts little, and
    finds the count that the others have run up. Steady traffic of n events a day reads n/ln 2.

    Args:
        count: of each group at `as_of_s`, shape (groups,).
        as_of_s: epoch s, shape (groups,); may be 0 for a new actor with count 0.
        at_s: event times, shape (n,), sorted by group and, inside, by offset.
        first: index of each group's first event.
        group: group of each event.
    """
    newest = np.maximum(np.maximum.reduceat(at_s, first), as_of_s)
    running = np.cumsum(np.exp2((at_s - newest[group]) / BUDGET_HALF_LIFE_S))
    before_group = np.r_[0.0, running][first]
    carried = count * np.exp2((as_of_s - newest) / BUDGET_HALF_LIFE_S)
    return running - before_group[group] + carried[group], newest


def reciprocity(favours: Floats) -> Floats:
    """Return 1 - 0.5 min(1, favours), favours being the decayed weight of what the target lately did for the actor."""
    return 1 - RECIPROCITY_COST * np.minimum(1.0, favours / FULL_FAVOUR)
