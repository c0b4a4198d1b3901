"""A line of a terminal as a chart: scores over time, each an eighth of a block high at least."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streams.reader import Point

_BLOCKS = "▁▂▃▄▅▆▇█"


def sampled(points: Sequence[Point], columns: int) -> list[float]:
    """Return the score as it was at moments that are evenly apart, from the first point to the last.

    Between two points it is the earlier one's.

    Args:
        points: newest first, at least one.
        columns: how many moments; one is enough where all points are of the same moment.
    """
    ordered = sorted(points, key=lambda point: point.at)
    begin_s, span_s = ordered[0].at, ordered[-1].at - ordered[0].at
    if span_s <= 0 or columns < 2:
        return [points[0].score]
    scores, at = [], 0
    for column in range(columns):
        moment_s = begin_s + span_s * column / (columns - 1)
        # The last moment is the last point's, whatever rounding made of it.
        while at + 1 < len(ordered) and (ordered[at + 1].at <= moment_s or column == columns - 1):
            at += 1
        scores.append(ordered[at].score)
    return scores


def sparkline(scores: Sequence[float]) -> str:
    """Return a block for each score, the lowest the lowest block and the highest the highest.

    >>> sparkline([10.0, 12.0, 11.0, 17.0])
    '▁▃▂█'
    """
    low, high = min(scores), max(scores)
    steps = len(_BLOCKS) - 1
    return "".join(_BLOCKS[round((score - low) / (high - low) * steps) if high > low else steps // 2] for score in scores)


def labelled(scores: Sequence[float]) -> str:
    """Return a chart with the first and the last score beside it, and the range it spans where that says more.

    >>> labelled([10.0, 12.0, 11.0, 17.0])
    '10.0 ▁▃▂█ 17.0'
    >>> labelled([10.0, 17.0, 12.0])
    '10.0 ▁█▃ 12.0   10.0 to 17.0'
    """
    first, last, low, high = scores[0], scores[-1], min(scores), max(scores)
    span = "" if {low, high} <= {first, last} else f"   {low:.1f} to {high:.1f}"
    return f"{first:.1f} {sparkline(scores)} {last:.1f}{span}"
