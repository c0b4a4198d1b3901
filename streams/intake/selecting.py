"""Some of the events of a batch."""

from __future__ import annotations

from dataclasses import fields
from itertools import compress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streams.events.decode import Events


def select(events: Events, rows: NDArray[np.int64]) -> Events:
    """Return some of the events, in order."""
    if len(rows) == len(events.kind):
        return events
    wanted = np.zeros(len(events.kind), dtype=bool)
    wanted[rows] = True
    mask = wanted.tolist()
    columns: list[Any] = []
    for f in fields(Events):
        column = getattr(events, f.name)
        columns.append(column[rows] if isinstance(column, np.ndarray) else list(compress(column, mask)))
    return Events(*columns)
