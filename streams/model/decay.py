"""Exponentially decaying counters as arithmetic: a value and the time it is exact at; no timer, nothing sweeps.

value(T) = value(t) * 2^(-(T - t)/h). Adding is at a common time, so folding is commutative: late and shuffled events give the
same counters (`model.md` 3).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def fade(elapsed_s: Floats, half_life_s: float) -> Floats:
    """Return 2^(-elapsed/h): what is left of 1 after `elapsed_s`. Negative times grow.

    >>> fade(np.array([0.0, 3600.0]), 3600.0).tolist()
    [1.0, 0.5]
    """
    return np.exp2(elapsed_s * (-1.0 / half_life_s))


def folded(
    value: Floats, from_s: Floats, to_s: Floats, added: Floats, added_at_s: Floats, row: NDArray[np.intp], half_life_s: float
) -> Floats:
    """Return counters brought from `from_s` to `to_s` with weights added, shape (rows,).

    Args:
        value: counter of each row at `from_s`, shape (rows,).
        from_s: time each counter is exact at, epoch s.
        to_s: time wanted, at or after `from_s` and every added time.
        added: weights, shape (n,).
        added_at_s: their times, epoch s.
        row: their row positions, 0..rows-1.
        half_life_s: seconds for a counter to halve.
    """
    new = np.bincount(row, added * fade(to_s[row] - added_at_s, half_life_s), minlength=len(value))
    return value * fade(to_s - from_s, half_life_s) + new


def log2_forward(weight: Floats, at_s: Floats, half_life_s: float) -> Floats:
    """Return log2(weight) + at/h: a decayed weight in a form that never changes as time passes; -inf for weight 0.

    The larger of two such numbers is the larger decayed weight at any time, so a person's strongest contact is a maximum.
    """
    with np.errstate(divide="ignore"):
        return np.log2(weight) + at_s / half_life_s
