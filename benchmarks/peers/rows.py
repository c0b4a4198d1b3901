"""Cloutstream's columns for the common job: authors of all owned partitions as rows, folded a batch at once.

A row holds the offset last folded into it. Since all events of an author come from one partition, that is enough to count each
exactly once: what is read again after a crash is dropped where the row already has it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers import job
from streams.columns.grouping import distinct_hashes
from streams.columns.hashing import hash_names
from streams.columns.index import Rows
from streams.events.decode import Events
from streams.model import decay
from streams.tables.keyed import KeyedRows

ROW = np.dtype([("off", "<i8"), *((name, "<i8") for name in job.COUNTS), ("slow", "<f8"), ("fast", "<f8"), ("at", "<f8")])
HALF_LIVES_S = {"slow": job.SLOW_HALF_LIFE_S, "fast": job.FAST_HALF_LIFE_S}
WEIGHTS = np.array([job.WEIGHTS[kind] for kind in job.KINDS])


def fold(table: KeyedRows, partition: int, events: Events, offsets: NDArray[np.int64]) -> None:
    """Fold events of one partition into their authors' rows; `offsets` are those of the events, ascending."""
    names = [author.encode() for author in events.author]
    lo, hi = hash_names(names)
    first, place = distinct_hashes(lo, hi)
    rows, new = table.find_or_add(lo[first], hi[first], names, first, partition)
    table.rows["off"][new] = -1
    state = table.rows[rows]
    is_new = offsets > state["off"][place]
    place, offsets, kind, at = place[is_new], offsets[is_new], events.kind[is_new], events.at[is_new]
    newest = state["at"].copy()
    np.maximum.at(newest, place, at)
    for counter, half_life_s in HALF_LIVES_S.items():
        state[counter] = decay.folded(state[counter], state["at"], newest, WEIGHTS[kind], at, place, half_life_s)
    counts = np.bincount(place * len(job.COUNTS) + kind, minlength=len(rows) * len(job.COUNTS)).reshape(len(rows), -1)
    for column, name in enumerate(job.COUNTS):
        state[name] += counts[:, column]
    state["at"] = newest
    last = state["off"].copy()
    np.maximum.at(last, place, offsets)
    state["off"] = last
    table.rows[rows] = state
    table.dirty[rows] = True


class AuthorState:
    """One partition's share, as the Faust store recovers it."""

    def __init__(self, table: KeyedRows, partition: int) -> None:
        self._table, self._partition = table, partition

    def load(self, keys: Sequence[bytes], values: Sequence[bytes | None]) -> None:
        """Apply changelog records: of each author the one that is folded furthest."""
        found = np.frombuffer(b"".join(value or b"" for value in values), ROW)
        lo, hi = hash_names(keys)
        order = np.lexsort((found["off"], hi, lo))
        is_last = np.r_[(lo[order][1:] != lo[order][:-1]) | (hi[order][1:] != hi[order][:-1]), True]
        newest = order[is_last]
        rows, new = self._table.find_or_add(lo[newest], hi[newest], keys, newest, self._partition)
        self._table.rows["off"][new] = -1
        wins = found["off"][newest] > self._table.rows["off"][rows]
        self._table.rows[rows[wins]] = found[newest[wins]]

    def load_foreign(self, keys: Sequence[bytes], values: Sequence[bytes | None]) -> None:
        """Apply records that another worker wrote between ours, and have all their rows written again."""
        self.load(keys, values)
        self._table.dirty[self._table.find(*hash_names(list(dict.fromkeys(keys))), self._partition)] = True

    def drop(self) -> None:
        """Forget the partition: another worker has it now."""
        self._table.remove(self._table.live_of(self._partition))


def entries(authors: Sequence[str], state: NDArray[np.void]) -> list[tuple[str | float | None, ...]]:
    """Return what the script writes of each author: name, fields of the hash in its order, sort key or None."""
    with np.errstate(divide="ignore"):
        keys = 5 * np.log2(state["slow"]) + 5 * state["at"] / job.SLOW_HALF_LIFE_S
    scores = 1 + 5 * np.log2(1 + state["slow"])
    fields = [scores, *(state[name] for name in ("slow", "fast", "at", *job.COUNTS))]
    ranked = [key if has else None for key, has in zip(keys.tolist(), (state["slow"] > 0).tolist(), strict=True)]
    return list(zip(authors, *(field.tolist() for field in fields), ranked, strict=True))


def taken(table: KeyedRows, rows: Rows) -> tuple[list[bytes], list[bytes], NDArray[np.void]]:
    """Return names, changelog values and states of dirty rows, and mark them clean."""
    table.dirty[rows] = False
    state = table.rows[rows]
    blob, size = state.tobytes(), ROW.itemsize
    return table.names.get(rows), [blob[i : i + size] for i in range(0, len(blob), size)], state
