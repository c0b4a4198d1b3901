"""Which events of a partition were accepted before: exact over a window of offsets (`design.md` 3.7).

A duplicate is the same (id, undo) accepted at a smaller offset, at most a million offsets back; at a smaller one, so that an
event replayed after a crash doesn't meet itself. Ids are kept for twice that in a ring of blocks: a block holds the ids of
1,024 consecutive offsets, is one record of the changelog, and gives its place to a later block, so compaction bounds it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from streams.columns.grouping import run_starts, where_true
from streams.columns.hashing import Hashes, hash_names
from streams.columns.index import HashIndex, Rows
from streams.columns.pool import grown

WINDOW = 1_000_000
BLOCK = 1024
BLOCKS = 2048  # 2,097,152 offsets: what the window needs, and again for a replay after a crash
_RING = BLOCK * BLOCKS
_ENTRY = np.dtype([("offset", "<i8"), ("previous", "<i8"), ("lo", "<u8"), ("hi", "<u8")])


def event_hashes(ids: Sequence[str], undo: NDArray[np.bool_]) -> tuple[Hashes, Hashes]:
    """Return 128-bit hashes of (id, undo)."""
    encoded = "\n".join(ids).encode().split(b"\n") if ids else []
    lo, hi = hash_names(encoded)
    return lo ^ undo.astype(np.uint64), hi


class DuplicateWindow:
    """Accepted ids of one partition of one input topic, by offset modulo the ring."""

    def __init__(self) -> None:
        self._offset: NDArray[np.int64] = np.full(64, -1, dtype=np.int64)
        self._lo: Hashes = np.zeros(64, dtype=np.uint64)
        self._hi: Hashes = np.zeros(64, dtype=np.uint64)
        self._index = HashIndex()
        # place -> where its id was accepted before, more than a window earlier: a replay from between the two needs it.
        self._previous: dict[int, int] = {}
        self.dirty_blocks: set[int] = set()

    @property
    def nbytes(self) -> int:
        """Bytes held: grows with use to about 70 MB a busy partition."""
        return self._offset.nbytes + self._lo.nbytes + self._hi.nbytes + self._index.nbytes

    def accept(self, lo: Hashes, hi: Hashes, offsets: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which events are duplicates, shape (n,), and remember the others. Offsets ascend."""
        known = self._index.find(lo, hi, self._lo, self._hi)
        at = np.where(known >= 0, self._offset[known], -1)
        for i in where_true(at >= offsets).tolist() if self._previous else ():
            if at[i] > offsets[i]:
                at[i] = self._previous.get(int(known[i]), -1)
        duplicate = (at >= 0) & (at < offsets) & (offsets - at <= WINDOW)
        in_order = np.sort(lo)
        if (in_order[1:] == in_order[:-1]).any():
            # The first of several in this batch is the one accepted.
            order = np.lexsort((offsets, duplicate, hi, lo))
            a, b = lo[order], hi[order]
            again = np.r_[False, (a[1:] == a[:-1]) & (b[1:] == b[:-1])]
            duplicate[order[again]] = True
        fresh = where_true(~duplicate & (at != offsets))
        self._remember(lo[fresh], hi[fresh], offsets[fresh], known[fresh])
        return duplicate

    def _remember(self, lo: Hashes, hi: Hashes, offsets: NDArray[np.int64], known: Rows) -> None:
        if not len(offsets):
            return
        places: Rows = offsets % _RING
        size = min(_RING, int(places.max()) + 1)
        old = len(self._offset)
        self._lo, self._hi = grown(self._lo, size), grown(self._hi, size)
        self._offset = grown(self._offset, size)
        self._offset[old:] = -1
        for place in self._previous.keys() & set(places.tolist()) if self._previous else ():
            del self._previous[place]
        self._forget_older(known, places)
        self._offset[places], self._lo[places], self._hi[places] = offsets, lo, hi
        self._index.insert(places, self._lo, lambda: where_true(self._offset >= 0))
        blocks = offsets // BLOCK  # ascending
        self.dirty_blocks.update(blocks[run_starts(blocks)].tolist())

    def _forget_older(self, known: Rows, places: Rows) -> None:
        """Of an id seen again after the window the later place must be found; the earlier is kept as its `previous`."""
        again = known >= 0
        older = known[again]
        self._previous.update(zip(places[again].tolist(), self._offset[older].tolist(), strict=True))
        self._offset[older] = -1
        self._lo[older] = self._hi[older] = 0

    def encode_block(self, block: int) -> tuple[bytes, bytes]:
        """Return key part and value of a block: the ids accepted at its offsets."""
        first = block * BLOCK
        places = np.arange(first, first + BLOCK) % _RING
        places = places[places < len(self._offset)]
        held = places[self._offset[places] // BLOCK == block]
        entries = np.empty(len(held), dtype=_ENTRY)
        entries["offset"], entries["lo"], entries["hi"] = self._offset[held], self._lo[held], self._hi[held]
        entries["previous"] = [self._previous.get(place, -1) for place in held.tolist()] if self._previous else -1
        return b"%d" % (block % BLOCKS), entries.tobytes()

    def load(self, values: Sequence[bytes]) -> None:
        """Apply blocks read from the changelog, of a block any number of records."""
        dirty_blocks = set(self.dirty_blocks)
        entries = np.frombuffer(b"".join(values), dtype=_ENTRY)
        if not len(entries):
            return
        # Of blocks that shared a place the later wins; of an id, its latest offset.
        entries = entries[np.argsort(entries["offset"], kind="stable")]
        newest = entries[len(entries) - 1 - np.unique(entries["offset"][::-1] % _RING, return_index=True)[1]]
        newest = newest[np.argsort(newest["offset"], kind="stable")]
        keep = np.lexsort((newest["offset"], newest["hi"], newest["lo"]))
        a, b = newest["lo"][keep], newest["hi"][keep]
        newest = newest[np.sort(keep[np.r_[(a[1:] != a[:-1]) | (b[1:] != b[:-1]), True]])]
        known = self._index.find(newest["lo"].copy(), newest["hi"].copy(), self._lo, self._hi)
        newer = (known < 0) | (self._offset[known] < newest["offset"])
        newest, known = newest[newer], known[newer]
        self._remember(newest["lo"].copy(), newest["hi"].copy(), newest["offset"].copy(), known)
        for entry in newest[newest["previous"] >= 0].tolist():
            self._previous[entry[0] % _RING] = entry[1]
        self.dirty_blocks = dirty_blocks

    def write_again(self, slots: Mapping[bytes, bytes], only_if_stale: bool = False) -> None:
        """Have blocks that were loaded written again.

        Args:
            slots: key part -> last value of its blocks in the changelog.
            only_if_stale: only where it isn't what is held: a worker that lost the partition wrote it after its successor.
        """
        for slot, value in slots.items():
            place = int(slot) * BLOCK
            newest = int(self._offset[place : place + BLOCK].max(initial=-1))
            if newest >= 0 and not (only_if_stale and self.encode_block(newest // BLOCK)[1] == value):
                self.dirty_blocks.add(newest // BLOCK)
