"""How busy people are through the day."""

from __future__ import annotations

import math

_PEAK = 20 / 24  # the evening


def daily_rhythm(time: float, day_s: float, swing_ratio: float) -> float:
    """Return activity at `time` (epoch s) relative to the day's mean: `1 + swing` in the evening, `1 - swing` twelve hours off.

    >>> daily_rhythm(20 * 3600.0, 86400.0, 0.6)
    1.6
    >>> round(daily_rhythm(8 * 3600.0, 86400.0, 0.6), 9)
    0.4
    """
    return 1.0 + swing_ratio * math.cos(2 * math.pi * (time / day_s - _PEAK))
