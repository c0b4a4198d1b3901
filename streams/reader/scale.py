"""The score of one entity at one moment, from what Redis holds (`model.md` 1): plain floats, so that reading needs no numpy."""

from __future__ import annotations

from dataclasses import dataclass
from math import erf, exp2, hypot, log2, sqrt
from typing import Protocol

from streams.reader.weights import Weights

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


def parts(reach: float, network: float, amplification: float, weights: Weights) -> Parts:
    """Return the score of R, G and A, and its parts in points.

    >>> parts(reach=3.0, network=4.0, amplification=5.0, weights=Weights())
    Parts(score=20.534452978042594, reach_pts=10.0, network_pts=5.0, amplification_pts=4.534452978042594)
    """
    reach_pts = 5 * log2(1 + max(0.0, weights.reach * reach))
    base_pts = 5 * log2(1 + weights.influence(reach, network, 0.0))
    full = 5 * log2(1 + weights.influence(reach, network, amplification))
    return Parts(min(100.0, 1 + full), reach_pts, base_pts - reach_pts, full - base_pts)


def error_from(plus_minus: float, influence: float, other: float) -> float:
    """Return `plus_minus` at the influence `other`, which comes of the same people as `influence` with its `plus_minus`.

    The noise of counting people is relative: what is uncertain by a tenth by one's weights is so by the other's.

    >>> round(error_from(error_of(4.0, overdispersion=1.0), 4.0, 8.0), 6) == round(POINTS_PER_UNIT * 0.5 * 8 / 9, 6)
    True
    """
    if influence <= 0:
        return 0.0
    return plus_minus * (1 + influence) / influence * other / (1 + other)


class Measured(Protocol):
    """A score with its error, points."""

    @property
    def score(self) -> float: ...  # noqa: D102
    @property
    def plus_minus(self) -> float: ...  # noqa: D102


def outranks(a: Measured, b: Measured) -> float:
    """Return the probability that `a` really has more influence than `b`, 0 to 1.

    The normal approximation: `phi((a.score - b.score) / sqrt(a.plus_minus^2 + b.plus_minus^2))`, phi the standard normal
    distribution, `plus_minus` one standard deviation. It takes the errors for independent, and knows only the noise of counting.
    """
    spread = hypot(a.plus_minus, b.plus_minus)
    lead = a.score - b.score
    if spread == 0:
        return 0.5 if lead == 0 else float(lead > 0)
    return 0.5 * (1 + erf(lead / spread / sqrt(2)))
