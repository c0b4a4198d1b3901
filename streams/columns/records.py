"""Arrays of records, moved as so many bytes each: indexed, copied or joined as they are, numpy moves them field by field.

That costs six to twenty times as much, and is most of what a table does. Single fields are read and written as usual.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Records = NDArray[np.void]


def picked(records: Records, which: NDArray[np.integer[Any]] | NDArray[np.bool_]) -> Records:
    """Return `records[which]`, for numbers or a mask, as a copy."""
    return records.take(which.nonzero()[0] if which.dtype == bool else which)


def put(records: NDArray[Any], rows: NDArray[np.integer[Any]] | slice, values: NDArray[Any]) -> None:
    """Do `records[rows] = values`."""
    _whole(records)[rows] = _whole(values)


def joined(parts: Sequence[Records]) -> Records:
    """Return at least one array of records as one."""
    together: Records = np.concatenate([_whole(part) for part in parts]).view(parts[0].dtype)
    return together


def copied(records: Records) -> Records:
    """Return a copy."""
    copy: Records = _whole(records).copy().view(records.dtype)
    return copy


def _whole(records: NDArray[Any]) -> Records:
    view: Records = records.view(np.dtype((np.void, records.dtype.itemsize)))
    return view
