"""Many short lists in a few long arrays: row i owns a run of entries, of a capacity that is a power of two.

Most accounts have three or fewer engaged people, so fixed-width sets would be mostly empty. Freed runs are reused by
capacity. All operations take a batch of rows.
"""

from __future__ import annotations

import mmap
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from streams.columns.grouping import where_true
from streams.columns.index import Rows
from streams.columns.records import picked, put

# The run that a list of so many entries is given: the next power of two.
_RUN_OF = np.array([1, *(1 << (count - 1).bit_length() for count in range(1, 129))])


def ragged(starts: Rows, counts: Rows) -> Rows:
    """Return the concatenated ranges [starts[i], starts[i] + counts[i]), shape (sum(counts),)."""
    ends = counts.cumsum()
    total = int(ends[-1]) if len(ends) else 0
    flat: Rows = np.arange(total) + np.repeat(starts - (ends - counts), counts)
    return flat


_T = TypeVar("_T", bound=np.generic)
_PAGED_BYTES = 256 * 1024


def _zeros(size: int, dtype: np.dtype[_T]) -> NDArray[_T]:
    """Return zeros. Of many, those not written yet cost addresses, not memory: the heap would give and clear them at once."""
    if size * dtype.itemsize < _PAGED_BYTES:
        return np.zeros(size, dtype=dtype)
    return np.frombuffer(mmap.mmap(-1, size * dtype.itemsize, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS), dtype=dtype)


def grown(array: NDArray[_T], size: int) -> NDArray[_T]:
    """Return `array` with room for `size` items: half as many more, so that growing costs two copies of an item in all."""
    if size <= len(array):
        return array
    larger = _zeros(max(64, size + size // 2), array.dtype)
    if array.dtype.names:
        put(larger, slice(len(array)), array)
    else:
        larger[: len(array)] = array
    return larger


def laid_out(heads: NDArray[np.void], tails: list[tuple[NDArray[np.void], Rows]]) -> list[bytes]:
    """Return, per row, the bytes of its head and then of its entries in each tail: copied as columns, cut once.

    Args:
        heads: one per row, shape (n,).
        tails: entries concatenated in row order, and how many each row has.
    """
    sizes = np.full(len(heads), heads.dtype.itemsize)
    for entries, counts in tails:
        sizes = sizes + counts * entries.dtype.itemsize
    ends = sizes.cumsum()
    out = np.empty(int(ends[-1]) if len(ends) else 0, dtype=np.uint8)
    at = ends - sizes
    width = heads.dtype.itemsize
    out[(at[:, None] + np.arange(width)).reshape(-1)] = np.frombuffer(heads.tobytes(), dtype=np.uint8)
    at = at + width
    for entries, counts in tails:
        lengths = counts * entries.dtype.itemsize
        out[ragged(at, lengths)] = np.frombuffer(entries.tobytes(), dtype=np.uint8)
        at = at + lengths
    blob = out.tobytes()
    return [blob[a:b] for a, b in zip((ends - sizes).tolist(), ends.tolist(), strict=True)]


class Pool:
    """Ragged lists of structured entries.

    Args:
        dtype: of one entry.
        most: longest list; a power of two.
    """

    def __init__(self, dtype: np.dtype[np.void], most: int) -> None:
        self.entries: NDArray[np.void] = np.zeros(64, dtype=dtype)
        self.most = most
        self._end = 0
        self._capacities = [1 << i for i in range(most.bit_length())]
        self._free: dict[int, list[int]] = {capacity: [] for capacity in self._capacities}
        # Per row: where its run starts, how long the run is, how much of it is used.
        self.start: NDArray[np.int64] = np.zeros(64, dtype=np.int64)
        self.capacity: NDArray[np.uint8] = np.zeros(64, dtype=np.uint8)
        self.count: NDArray[np.uint8] = np.zeros(64, dtype=np.uint8)

    @property
    def nbytes(self) -> int:
        """Bytes of entries and per-row columns."""
        return self.entries.nbytes + self.start.nbytes + self.capacity.nbytes + self.count.nbytes

    def reserve_rows(self, rows: int) -> None:
        """Make room for row numbers below `rows`."""
        self.start = grown(self.start, rows)
        self.capacity = grown(self.capacity, rows)
        self.count = grown(self.count, rows)

    def gather(self, rows: Rows) -> tuple[NDArray[np.void], Rows]:
        """Return the entries of `rows`, concatenated, and for each entry its position in `rows`."""
        counts = self.count[rows].astype(np.int64)
        return picked(self.entries, ragged(self.start[rows], counts)), np.arange(len(rows)).repeat(counts)

    def replace(self, rows: Rows, entries: NDArray[np.void], counts: Rows) -> None:
        """Make `entries`, concatenated in the order of the distinct `rows`, the lists of those rows."""
        need = self.capacity[rows] < counts
        if need.any():
            self._move(rows[need], counts[need])
        self.count[rows] = counts
        put(self.entries, ragged(self.start[rows], counts), entries)

    def clear(self, rows: Rows) -> None:
        """Free the lists of distinct `rows`."""
        capacities = self.capacity[rows]
        for capacity in self._capacities:
            freed = self.start[rows[capacities == capacity]]
            if len(freed):
                self._free[capacity].extend(freed.tolist())
        self.capacity[rows] = 0
        self.count[rows] = 0

    def _move(self, rows: Rows, counts: Rows) -> None:
        """Give `rows` fresh runs of the next power of two; their old content is not kept."""
        self.clear(rows)
        capacities = _RUN_OF[counts]
        starts = np.empty(len(rows), dtype=np.int64)
        for capacity in self._capacities:
            where = where_true(capacities == capacity)
            spare = self._free[capacity]
            reused = min(len(spare), len(where))
            if reused:
                starts[where[:reused]] = spare[-reused:]
                del spare[-reused:]
            fresh = len(where) - reused
            starts[where[reused:]] = self._end + capacity * np.arange(fresh)
            self._end += capacity * fresh
        self.entries = grown(self.entries, self._end)
        self.start[rows] = starts
        self.capacity[rows] = capacities
