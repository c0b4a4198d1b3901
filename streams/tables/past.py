"""What an entity's score was lately, and since when the entity is known: what a jump is told by.

Beside the row, as a tail of its changelog record: a release that doesn't know it reads the row without it. Time is cut into
steps of one fast half-life; kept are the scores just before the first event of this step and of the step before, so `was` is
between one and two fast half-lives old while an account is active, whatever batches its events came in.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streams.columns.grouping import where_true
from streams.columns.index import Rows
from streams.columns.records import picked, put
from streams.model import alerting
from streams.settings import Settings

Floats = NDArray[np.float64]
PAST = np.dtype(
    [
        ("since", "<u4"),  # earliest event, whole epoch s; 0 if a release made the row that didn't note it
        ("step", "<u4"),  # newest event's step; 0 before the first
        ("was", "<f4"),  # score at the beginning of the step before
        ("then", "<f4"),  # score at the beginning of this step
    ]
)


def remember(
    past: NDArray[np.void], rows: Rows, state: NDArray[np.void], newest_s: Floats, earliest_s: Floats, settings: Settings
) -> None:
    """Note the scores that rows have before events are folded into them.

    Args:
        past: of all rows; updated.
        rows: those that events are for, distinct, shape (k,).
        state: of these rows, before.
        newest_s: the time they will be exact at.
        earliest_s: of the events, epoch s.
        settings: half-lives.
    """
    mine = picked(past, rows)
    is_new = state["at"] <= 0
    first = np.maximum(earliest_s, 1.0)
    mine["since"] = np.where(is_new | ((mine["since"] > 0) & (first < mine["since"])), first, mine["since"]).astype(np.uint32)
    step = (newest_s // settings.half_life_fast_s).astype(np.uint32)
    begun = where_true(step > mine["step"])
    if len(begun):
        before = np.where(is_new[begun], 1.0, alerting.score_at(picked(state, begun), newest_s[begun], settings))
        follows = step[begun] == mine["step"][begun] + 1
        mine["was"][begun] = np.where(follows, mine["then"][begun], before)
        mine["then"][begun] = before
        mine["step"][begun] = step[begun]
    put(past, rows, mine)


def moved(past: NDArray[np.void], score: Floats) -> Floats:
    """Return points that scores have moved within two fast half-lives; 0 where it isn't known."""
    return np.where(past["step"] > 0, score - past["was"], 0.0)
