"""What each engagement adds to an exact reach: by how much it raises its person's strongest contact so far."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streams.columns.grouping import run_lengths, run_starts, where_true
from streams.columns.index import Rows


def beyond_before(
    added: NDArray[np.float64], everybody: NDArray[np.void], now: NDArray[np.float64], order: Rows, first: Rows
) -> NDArray[np.float64]:
    """Return by how much each entry raises its person's strongest contact, in log order; shape (2, entries).

    Args:
        added: what each adds if the person is new, shape (2, entries).
        everybody: those held, then the entries, sorted by person, shape (n,).
        now: of each, the time of its row in slow half-lives.
        order: where each stood before it was sorted.
        first: where each person begins.
    """
    lengths = run_lengths(first, len(order))
    several = where_true((lengths > 1).repeat(lengths))
    if not len(several):
        return added
    was = order[several]
    person = np.arange(len(first)).repeat(lengths)[several]
    by_log = np.lexsort((was, person))
    was, person, several = was[by_log], person[by_log], several[by_log]
    is_first = np.zeros(len(was), dtype=bool)
    is_first[run_starts(person)] = True
    shift = is_first.cumsum() * len(was)
    entry = was - (len(order) - added.shape[1])
    for row, column in zip(added, ("reach", "network"), strict=True):
        strength = np.exp2(everybody[column][several] - now[several])
        by_strength = strength.argsort()
        rank = np.empty(len(was), dtype=np.int64)
        rank[by_strength] = np.arange(len(was))
        strongest = strength[by_strength][np.maximum.accumulate(rank + shift) - shift]
        raised = strongest.copy()
        raised[1:] -= np.where(is_first[1:], 0.0, strongest[:-1])
        row[entry[entry >= 0]] = raised[entry >= 0]
    return added
