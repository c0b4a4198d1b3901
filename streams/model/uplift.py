"""How much more engagement came during a time than before it, with an interval.

Counts per bin are taken as Poisson with a common dispersion f, since engagements come in bunches:

    ratio    = (n1/t1) / (n0/t0)
    f        = max(1, sum((x - mean)^2 / mean) / (bins - 2))         Pearson's statistic, each time against its own mean
    interval = ratio * exp(-+ z sqrt(f (1/n0 + 1/n1)))               z = 1.96 for 95 %

The dispersion is McCullagh and Nelder, Generalized Linear Models (2nd ed. 1989), 6.2.3; the interval is the delta method on the
logarithm of a ratio of two rates. It speaks of chance only: what else changed at the same time is in the ratio, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, sqrt

Z_95 = 1.96
FEWEST_BINS, FEWEST_EVENTS = 5, 5  # of each time; of fewer a dispersion, or a logarithm's variance, says nothing


@dataclass(frozen=True, slots=True)
class Uplift:
    """Engagements an hour before and during, their `ratio` with a 95 % interval `low` to `high`, and the `dispersion`."""

    before_per_hour: float
    during_per_hour: float
    ratio: float
    low: float
    high: float
    dispersion: float


def uplift(before: Sequence[int], during: Sequence[int], bin_s: float) -> Uplift | None:
    """Return the uplift of counts per bin; None where there is too little to tell.

    >>> found = uplift([9, 11] * 12, [19, 21] * 12, 3600.0)
    >>> (round(found.ratio, 3), round(found.low, 3), round(found.high, 3), found.dispersion)
    (2.0, 1.748, 2.288, 1.0)
    """
    n0, n1 = sum(before), sum(during)
    if min(len(before), len(during)) < FEWEST_BINS or min(n0, n1) < FEWEST_EVENTS:
        return None
    rate0, rate1 = n0 / len(before), n1 / len(during)
    pearson = sum((x - rate) ** 2 / rate for counts, rate in ((before, rate0), (during, rate1)) for x in counts)
    dispersion = max(1.0, pearson / (len(before) + len(during) - 2))
    ratio, spread = rate1 / rate0, exp(Z_95 * sqrt(dispersion * (1 / n0 + 1 / n1)))
    per_hour = 3600.0 / bin_s
    return Uplift(rate0 * per_hour, rate1 * per_hour, ratio, ratio / spread, ratio * spread, dispersion)
