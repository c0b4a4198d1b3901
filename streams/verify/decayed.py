"""What rows must hold after their stretch of the log: integers, decayed counters, reach and network, at each row's own time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streams.settings import Settings
from streams.verify.log import Floats, Ints, Log
from streams.verify.people import reach_of_rows

COUNTS = ("posts", "likes", "shares", "replies")


@dataclass
class Counted:
    """One element per name of the log; -inf and -1 where nothing counts."""

    counts: Ints  # shape (names, 4), in the order of `COUNTS`
    newest_s: Floats  # time of the newest engagement
    last_offset: Ints


@dataclass
class Decayed:
    """Values by field, one element per name, and how far a found value may be off."""

    values: dict[str, Floats]
    tolerance: dict[str, Floats]


def chosen_of(log: Log, born: Ints) -> Ints:
    """Return the engagements at or after `born` of their target; `born` by name."""
    return np.flatnonzero(log.offset >= born[log.target])


def count(log: Log, chosen: Ints) -> Counted:
    """Return exact integers, and when and where each name was last engaged with."""
    n = len(log.names)
    target = log.target[chosen]
    cell = target * len(COUNTS) + log.kind[chosen]
    counts = (
        np.bincount(cell, np.where(log.undo[chosen], -1, 1), minlength=n * len(COUNTS)).astype(np.int64).reshape(n, len(COUNTS))
    )
    newest_s, last = np.full(n, -np.inf), np.full(n, -1, dtype=np.int64)
    np.maximum.at(newest_s, target, log.at[chosen])
    np.maximum.at(last, target, log.offset[chosen])
    return Counted(counts, newest_s, last)


def decay(log: Log, chosen: Ints, at: Floats, settings: Settings) -> Decayed:
    """Return E, P, X, D, R and G at `at`, by name.

    A value is right within 1e-9 of all that was ever added to it: after an undo that is more than the value itself.
    """
    n = len(log.names)
    sign = np.where(log.undo[chosen], -1.0, 1.0)
    is_post = log.kind[chosen] == 0
    expected = Decayed({}, {})
    for name, which, half_life_s in (
        ("engaged", ~is_post, settings.half_life_slow_s),
        ("made", is_post, settings.half_life_slow_s),
        ("fast", ~is_post, settings.half_life_fast_s),
        ("day", ~is_post, settings.half_life_day_s),
    ):
        target = log.target[chosen[which]]
        faded = log.weight[chosen[which]] * 0.5 ** ((at[target] - log.at[chosen[which]]) / half_life_s)
        expected.values[name] = np.bincount(target, sign[which] * faded, minlength=n).astype(np.float64)
        expected.tolerance[name] = (1e-9 * np.bincount(target, faded, minlength=n)).astype(np.float64)
    people = chosen[~is_post & (log.weight[chosen] > 0)]
    reach_of_rows(log, people, at, settings, expected.values, expected.tolerance)
    return expected
