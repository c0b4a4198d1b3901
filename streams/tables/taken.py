"""How far into each input topic a row holds what its actor did.

A row is written before the marker of its partition, so after a crash it may hold events that are taken again; and a worker that
lost the partition may write an older row behind a newer one. Both are told by the offset of the last event that a row holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from streams.columns.hashing import hash_names
from streams.columns.index import Rows
from streams.columns.pool import grown

Offsets = NDArray[np.int64]


class Taken:
    """Per row and input topic the offset after the last event that the row holds; 0 where it holds none.

    Topics are known by the 64-bit hash of their name, as the changelog has them: what is read of one that is no input any more
    stays until its row goes. `inputs` names those that are; one that isn't named is known to be when something of it is taken.
    """

    def __init__(self, inputs: Iterable[str] = ()) -> None:
        self._rows = 64
        self._columns: dict[int, Offsets] = {}  # by topic
        self._topics: dict[str, int] = {}
        for topic in inputs:
            self.hash_of(topic)

    @property
    def nbytes(self) -> int:
        """Bytes of all columns."""
        return sum(column.nbytes for column in self._columns.values())

    @property
    def topics(self) -> int:
        """How many topics are known."""
        return len(self._columns.keys() | set(self._topics.values()))

    def reserve(self, rows: int) -> None:
        """Make room for row numbers below `rows`."""
        self._rows = max(self._rows, rows)
        for topic, column in self._columns.items():
            self._columns[topic] = grown(column, self._rows)

    def hash_of(self, topic: str) -> int:
        """Return what an input topic is known by."""
        number = self._topics.get(topic)
        if number is None:
            number = self._topics[topic] = int(hash_names([topic.encode()])[0][0])
        return number

    def of_topic(self, topic: str) -> Offsets:
        """Return the offsets of an input topic, by row; to be changed in place, until rows are added."""
        return self.of_hash(self.hash_of(topic))

    def of_hash(self, topic: int) -> Offsets:
        """Return the offsets of an input topic that the changelog names."""
        column = self._columns.get(topic)
        if column is None:
            column = self._columns[topic] = grown(np.zeros(0, dtype=np.int64), self._rows)
        return column

    def by_topic(self) -> Iterator[tuple[int, Offsets]]:
        """Yield each topic with its offsets, always in the same order: what is no input any more last."""
        inputs = set(self._topics.values())
        yield from sorted(self._columns.items(), key=lambda column: (column[0] not in inputs, column[0]))

    def clear(self, rows: Rows) -> None:
        """Forget rows."""
        for column in self._columns.values():
            column[rows] = 0
