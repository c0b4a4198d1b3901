"""The score of one entity at one moment, from what Redis holds (`model.md` 1): plain floats, so that reading needs no numpy."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp2, log2, sqrt

PROVISIONAL_BELOW_REACH = 9.0
POINTS_PER_UNIT = 7.21  # 5/ln 2: the slope of the scale at I = 0
_EXPONENT_LIMIT = 1000.0  # 2^1024 overflows a float; a key this far off shows as 0 or 100 all the same


def _exp2(x: float) -> float:
    return exp2(max(-_EXPONENT_LIMIT, min(_EXPONENT_LIMIT, x)))


def fade(elapsed_s: float, half_life_s: float) -> float:
    """Return what is left of 1 after `elapsed_s`.

    >>> fade(60.0, 30.0)
    0.25
    """
    return _exp2(-elapsed_s / half_life_s)


def influence(key: float, now_s: float, half_life_s: float) -> float:
    """Return I at `now_s` from a board's sort key, `5 log2(I) + 5 at/h`.

    >>> influence(5 * 10.0 + 5 * 2.0, now_s=60.0, half_life_s=30.0)  # I was 2^10 at `at` = 60 s
    1024.0
    """
    return _exp2((key - 5 * now_s / half_life_s) / 5)


def score_of(influence: float) -> float:
    """Return the score, 1 to 100: five points are twice the influence.

    >>> score_of(1023.0)
    51.0
    """
    return min(100.0, 1 + 5 * log2(1 + influence))


def error_of(influence: float, overdispersion: float) -> float:
    """Return `plus_minus` of a counted influence, points; without a sketch's error."""
    return POINTS_PER_UNIT * sqrt(overdispersion * influence) / (1 + influence)


@dataclass(frozen=True, slots=True)
class Parts:
    """A score and what it is made of: the three parts add up to score - 1 below the cap of 100."""

    score: float
    reach_pts: float
    network_pts: float
    amplification_pts: float


def parts(reach: float, network: float, amplification: float, network_weight: float) -> Parts:
    """Return the score of R, G and A, and its parts in points.

    >>> parts(reach=3.0, network=4.0, amplification=5.0, network_weight=1.0)
    Parts(score=20.534452978042594, reach_pts=10.0, network_pts=5.0, amplification_pts=4.534452978042594)
    """
    base = max(0.0, reach + network_weight * network)
    reach_pts = 5 * log2(1 + max(0.0, reach))
    base_pts = 5 * log2(1 + base)
    full = 5 * log2(1 + base * _exp2(amplification / 5))
    return Parts(min(100.0, 1 + full), reach_pts, base_pts - reach_pts, full - base_pts)
