"""Applying changelog rows to a partition's entities: recovery, and repair after a foreign write."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streams.columns.hashing import Hashes, hash_names
from streams.columns.index import Rows
from streams.columns.pool import ragged
from streams.columns.records import picked, put
from streams.tables.entity_codec import DecodedRows, decode_rows
from streams.tables.entity_rows import EntityRows


def load_rows(table: EntityRows, keys: Sequence[bytes], values: Sequence[bytes], partition: int = 0) -> Rows:
    """Apply changelog rows of a partition, of each key the one with the highest `off`; return the rows whose record was stale.

    A stale record after a newer one (a worker that had lost the partition wrote it) would win once Kafka compacts, so the
    caller writes the rows returned again (`design.md` 3.8).
    """
    decoded = decode_rows(values)
    lo, hi = hash_names(keys)
    off = decoded.rows["off"]
    sequence = np.arange(len(keys))
    newest = _last_of_key(np.lexsort((sequence, off, hi, lo)), lo, hi)
    rows, new = table.find_or_add(lo[newest], hi[newest], keys, newest, partition)
    table.rows["off"][new] = -1
    wins = off[newest] >= table.rows["off"][rows]
    _store(table, rows[wins], newest[wins], decoded)
    last = _last_of_key(np.lexsort((sequence, hi, lo)), lo, hi)
    held = table.find(lo[last], hi[last], partition)
    return held[off[last] < table.rows["off"][held]]


def _last_of_key(order: Rows, lo: Hashes, hi: Hashes) -> Rows:
    """Return, of records sorted by key in `order`, the last of each key."""
    a, b = lo[order], hi[order]
    return order[np.r_[(a[1:] != a[:-1]) | (b[1:] != b[:-1]), True]]


def _store(table: EntityRows, rows: Rows, chosen: Rows, decoded: DecodedRows) -> None:
    put(table.rows, rows, picked(decoded.rows, chosen))
    put(table.past, rows, picked(decoded.past, chosen))
    table.told_as[rows] = decoded.told_as[chosen]
    table.folded_since[rows] = False
    starts = np.cumsum(decoded.people_counts * ~decoded.sketched) - decoded.people_counts * ~decoded.sketched
    exact = ~decoded.sketched[chosen]
    counts = decoded.people_counts[chosen[exact]]
    table.free_sketches(rows[exact])
    table.people.replace(rows[exact], picked(decoded.people, ragged(starts[chosen[exact]], counts)), counts)
    sketched = rows[~exact]
    if len(sketched):
        table.people.clear(sketched)
        missing = sketched[table.sketch_of[sketched] == 0]
        if len(missing):
            table.new_sketches(missing)
        places = table.sketch_of[sketched] - 1
        which = np.cumsum(decoded.sketched) - 1
        put(table.sketches, places, picked(decoded.sketches, which[chosen[~exact]]))
    for row, i in zip(rows.tolist(), chosen.tolist(), strict=True):
        if i in decoded.open:
            table.open[row] = decoded.open[i]
        else:
            table.open.pop(row, None)
        if i in decoded.surges:
            table.begin_surge(row, decoded.surges[i])
        else:
            table.end_surge(row)
