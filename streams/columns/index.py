"""From a 128-bit hash to a row number: open addressing, probed for a whole batch at once.

Python's dict would cost 150 bytes an account and a loop per event; this costs 4 bytes a slot plus the two hash columns
that the caller keeps, and a few vector operations a batch.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from streams.columns.hashing import Hashes

Rows = NDArray[np.int64]
_EMPTY = -1
# Shorter probe chains against memory: at 60 % full a look-up needs about 1.8 probes.
_MAX_LOAD = 0.6
# Most look-ups end at their first slot; of the others so many are looked at in each further pass.
_WINDOW = 8


class HashIndex:
    """Slots that hold row numbers; the rows' hashes stay with the owner, who passes them in.

    A slot whose row now has another hash is dead: it keeps its chain alive and is dropped at the next rebuild. So an owner
    may give a freed row to another id without telling the index.
    """

    def __init__(self, capacity: int = 64) -> None:
        self._slots = np.full(1 << max(6, int(capacity / _MAX_LOAD).bit_length()), _EMPTY, dtype=np.int32)
        self._used = 0

    @property
    def nbytes(self) -> int:
        """Bytes of the slots."""
        return self._slots.nbytes

    def find(self, lo: Hashes, hi: Hashes, row_lo: Hashes, row_hi: Hashes) -> Rows:
        """Return the row of each hash, or -1, shape (n,)."""
        slot = self._home(lo)
        rows = self._slots[slot].astype(np.int64)
        # An empty slot, -1, is compared with the last row, which may be the one looked for: -1 is the answer either way.
        hit = (row_lo[rows] == lo) & (row_hi[rows] == hi)
        pending = (~hit & (rows >= 0)).nonzero()[0]
        slot = slot[pending] + 1
        while len(pending):
            found = self._slots[self._window(slot)]
            rows[pending] = -1
            held = found >= 0
            hit = held & (row_lo[found] == lo[pending, None]) & (row_hi[found] == hi[pending, None])
            which, column = hit.nonzero()
            rows[pending[which]] = found[which, column]
            onward = np.count_nonzero(held, axis=1) == _WINDOW
            onward[which] = False
            pending, slot = pending[onward], slot[onward] + _WINDOW
        return rows

    def _home(self, lo: Hashes) -> Rows:
        """Return the slot where each hash's chain begins."""
        return (lo & np.uint64(len(self._slots) - 1)).astype(np.int64)

    def _window(self, slot: Rows) -> NDArray[np.int64]:
        """Return the slots from each of `slot` on, shape (n, _WINDOW)."""
        return (slot[:, None] + np.arange(_WINDOW)) & (len(self._slots) - 1)

    def insert(self, rows: Rows, row_lo: Hashes, live: Callable[[], Rows]) -> None:
        """Add distinct rows whose hashes (already in the columns) are not in the index.

        Args:
            rows: the new rows, shape (n,).
            row_lo: the hash column, indexed by row.
            live: gives every row in use, the new ones too; asked only when the slots are laid out anew.
        """
        if self._used + len(rows) > len(self._slots) * _MAX_LOAD:
            self._rebuild(live(), row_lo)
            return
        self._place(rows, row_lo)

    def _rebuild(self, rows: Rows, row_lo: Hashes) -> None:
        size = 64
        while size * _MAX_LOAD < len(rows) * 1.3:
            size *= 2
        self._slots = np.full(size, _EMPTY, dtype=np.int32)
        self._used = 0
        self._place(rows, row_lo)

    def _place(self, rows: Rows, row_lo: Hashes) -> None:
        self._used += len(rows)
        slot = self._home(row_lo[rows])
        while len(rows):
            free = (self._slots[slot] == _EMPTY).nonzero()[0]
            self._slots[slot[free]] = rows[free]  # of several wanting one slot, the last wins
            lost = (self._slots[slot] != rows).nonzero()[0]
            rows, slot = rows[lost], slot[lost]
            if len(rows):
                window = self._window(slot)
                free_there = self._slots[window] == _EMPTY
                first = free_there.argmax(axis=1)
                has_room = free_there[np.arange(len(rows)), first]
                slot = np.where(has_room, slot + first, slot + _WINDOW) & (len(self._slots) - 1)
