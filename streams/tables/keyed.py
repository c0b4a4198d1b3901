"""Rows found by partition and 128-bit hash: what the actors and the entities table have in common.

One table holds the rows of all partitions that a worker owns, so that a batch is one pass over them however many there are. A
row belongs to one partition: its changelog, and its life.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from streams.columns.grouping import stable_order, where_true
from streams.columns.hashing import Hashes
from streams.columns.index import HashIndex, Rows
from streams.columns.pool import grown
from streams.columns.records import put
from streams.columns.texts import Texts
from streams.tables.forgotten import NOBODY, Forgotten
from streams.tables.names import Names

_SALT = np.uint64(0x9E3779B97F4A7C15)
Parts = NDArray[np.int64]  # a partition number each


def _salted(lo: Hashes, part: Parts | int) -> Hashes:
    """Return low halves that differ by partition: of one name a row each may be in several."""
    return lo ^ (np.asarray(part, dtype=np.uint64) * _SALT)


class KeyedRows:
    """A structured array of rows, their partitions, hashes, names, a dirty mark, and a free list.

    `forgotten` are those of whom no rows are kept: any that comes is `doomed`, until a flush takes it out.

    Args:
        dtype: of a row; what the changelog stores.
    """

    def __init__(self, dtype: np.dtype[np.void]) -> None:
        self.rows: NDArray[np.void] = np.zeros(64, dtype=dtype)
        self.lo: Hashes = np.zeros(64, dtype=np.uint64)
        self.hi: Hashes = np.zeros(64, dtype=np.uint64)
        self.part: NDArray[np.uint16] = np.zeros(64, dtype=np.uint16)
        self.used: NDArray[np.bool_] = np.zeros(64, dtype=bool)
        self.dirty: NDArray[np.bool_] = np.zeros(64, dtype=bool)
        self.names = Names()
        self._index = HashIndex()
        self._end = 0
        self._free: list[int] = []
        self._walked = 0
        self.forgotten = NOBODY
        self._doomed: set[int] = set()

    def __len__(self) -> int:
        return self._end - len(self._free)

    @property
    def nbytes(self) -> int:
        """Bytes of all columns, the names and the index."""
        columns = (self.rows, self.lo, self.hi, self.part, self.used, self.dirty)
        return sum(c.nbytes for c in columns) + self.names.nbytes + self._index.nbytes

    def live(self) -> Rows:
        """Return the numbers of all rows in use, ascending."""
        return where_true(self.used[: self._end])

    def live_of(self, partition: int) -> Rows:
        """Return the numbers of a partition's rows, ascending."""
        return where_true(self.used[: self._end] & (self.part[: self._end] == partition))

    def touched(self, partitions: Iterable[int]) -> Rows:
        """Return the dirty rows of partitions, by partition."""
        rows = where_true(self.dirty[: self._end])
        rows = rows[np.isin(self.part[rows], list(partitions))]
        return rows[stable_order(self.part[rows])]

    def find(self, lo: Hashes, hi: Hashes, part: Parts | int = 0) -> Rows:
        """Return the row of each hash in its partition, or -1."""
        return self._index.find(_salted(lo, part), hi, self.lo, self.hi)

    def find_or_add(
        self, lo: Hashes, hi: Hashes, names: Sequence[bytes], which: Rows, part: Parts | int = 0
    ) -> tuple[Rows, Rows]:
        """Return the row of each of a batch of distinct hashes, and which of these rows are new.

        Args:
            lo: low halves, shape (n,).
            hi: high halves.
            names: where the names of new rows are.
            which: index into `names` of each hash, shape (n,).
            part: partition of each hash, or of all.
        """
        rows = self.find(lo, hi, part)
        missing = where_true(rows < 0)
        if not len(missing):
            return rows, missing
        new = self._allocate(len(missing))
        rows[missing] = new
        part = np.broadcast_to(part, len(rows))[missing]
        self.lo[new], self.hi[new], self.part[new] = _salted(lo[missing], part), hi[missing], part
        put(self.rows, new, np.zeros(1, dtype=self.rows.dtype))
        self.used[new] = True
        self.names.put(new, Texts.of(names).pick(which[missing]))
        self._index.insert(new, self.lo, self.live)
        self.doom(new)
        return rows, new

    def _allocate(self, count: int) -> Rows:
        reused = min(count, len(self._free))
        numbers = [self._free.pop() for _ in range(reused)]
        fresh = np.arange(self._end, self._end + count - reused)
        self._end += len(fresh)
        for name in ("rows", "lo", "hi", "part", "used", "dirty"):
            setattr(self, name, grown(getattr(self, name), self._end))
        self._reserve(self._end)
        return np.concatenate([np.array(numbers, dtype=np.int64), fresh])

    def _reserve(self, rows: int) -> None:
        """Make room in whatever a subclass keeps beside the rows."""

    def next_slice(self, size: int) -> slice:
        """Return the next `size` row numbers of a walk over the table that begins again at its end."""
        first = self._walked if self._walked < self._end else 0
        self._walked = first + size
        return slice(first, min(first + size, self._end))

    def expired(
        self, size: int, partitions: Iterable[int], is_old: Callable[[slice], NDArray[np.bool_]]
    ) -> dict[int, list[bytes]]:
        """Free the clean rows of the next slice that are old; return their names by partition.

        Args:
            size: rows to look at.
            partitions: of these only.
            is_old: which of a slice of rows are.
        """
        looked_at = self.next_slice(size)
        rows = looked_at.start + where_true(self.used[looked_at] & ~self.dirty[looked_at] & is_old(looked_at))
        return self._taken_out(rows[np.isin(self.part[rows], list(partitions))])

    def forget(self, forgotten: Forgotten) -> None:
        """Keep no rows of somebody from here on. Those there are under the account's own name are found at once."""
        if forgotten is self.forgotten:
            return
        self.forgotten = forgotten
        for part in np.unique(self.part[self.live()]).tolist():
            rows = self.find(forgotten.lo, forgotten.hi, part)
            self._doomed.update(rows[rows >= 0].tolist())

    def doom(self, rows: Rows) -> None:
        """Have those of used rows taken out that are of somebody forgotten."""
        if self.forgotten:
            names = self.names.get(rows)
            self._doomed.update(row for row, name in zip(rows.tolist(), names, strict=True) if self.forgotten.has(name))

    def doomed(self, partitions: Iterable[int]) -> dict[int, list[bytes]]:
        """Free the rows of partitions that are doomed, dirty or not; return their names by partition."""
        rows = np.array(sorted(self._doomed), dtype=np.int64)
        return self._taken_out(rows[np.isin(self.part[rows], list(partitions))])

    def _taken_out(self, rows: Rows) -> dict[int, list[bytes]]:
        gone: dict[int, list[bytes]] = {}
        for p, name in zip(self.part[rows].tolist(), self.names.get(rows), strict=True):
            gone.setdefault(p, []).append(name)
        if len(rows):
            self.remove(rows)
        return gone

    def remove(self, rows: Rows) -> None:
        """Free distinct rows; their index slots die with their hashes."""
        self.lo[rows] = self.hi[rows] = 0
        self.used[rows] = self.dirty[rows] = False
        self._doomed.difference_update(rows.tolist() if self._doomed else ())
        self._free.extend(rows.tolist())
        self.names.drop(rows, self.live())
