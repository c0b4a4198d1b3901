"""Folding one `engagements` record into a partition's entities: `design.md` 3.4, vectorised.

A record at offset o is folded once: engagements whose event was applied before (e <= H of their source) are dropped, rows that
already hold o (they were recovered from a changelog ahead of the marker) are left as they are, and every row that the record
names becomes dirty either way.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streams.columns.index import Rows
from streams.events.engagements import KIND_MASK, LIKE, REPLY, SHARE, TWEET, UNDO_BIT, Engagements
from streams.model import decay
from streams.tables.causes import note_causes
from streams.tables.entity_rows import COUNTS, EntityRows
from streams.tables.fold_reach import fold_reach, people_of


def fold(table: EntityRows, record: Engagements, offset: int) -> None:
    """Fold `record`, which stands at `offset` of this partition of the engagements topic."""
    if offset <= table.folded:
        return
    source = (record.source_topic, record.source_partition)
    offsets = record.offsets
    fresh = offsets > table.applied.get(source, -1)
    named, position = np.unique(record.target.astype(np.int64), return_inverse=True)
    rows = _rows_of(table, record, named, np.bincount(position, fresh, minlength=len(named)) > 0, offset)
    found = rows >= 0
    table.dirty[rows[found]] = True
    behind = found.copy()
    behind[found] = table.rows["off"][rows[found]] < offset
    chosen = np.flatnonzero(fresh & behind[position])
    if len(chosen):
        touched, position = np.unique(position[chosen], return_inverse=True)
        _add(table, rows[touched], position, record, chosen)
        table.rows["off"][rows[touched]] = offset
        table.folded_since[rows[touched]] = True
        table.watermark = max(table.watermark, float(record.at[chosen].max()))
    table.folded = offset
    if len(offsets):
        table.applied[source] = max(table.applied.get(source, -1), int(offsets.max()))


def _rows_of(table: EntityRows, record: Engagements, named: Rows, wanted: NDArray[np.bool_], offset: int) -> Rows:
    """Return the row of each named entity; those that nothing fresh is for are not made, and are -1 when missing."""
    lo, hi = record.lo[named], record.hi[named]
    rows = np.full(len(named), -1, dtype=np.int64)
    make = np.flatnonzero(wanted)
    rows[make], new = table.find_or_add(lo[make], hi[make], record.names, named[make])
    table.rows["off"][new] = -1
    table.rows["born"][new] = offset
    table.rows["published"][new] = 1.0
    skip = np.flatnonzero(~wanted)
    rows[skip] = table.find(lo[skip], hi[skip])
    return rows


def _add(table: EntityRows, rows: Rows, position: Rows, record: Engagements, chosen: Rows) -> None:
    """Add the chosen engagements to their distinct rows: counts, decayed counters, reach."""
    s = table.settings
    at, flags = record.at[chosen], record.flags[chosen]
    weight = record.weight[chosen]
    kind, undo = flags & KIND_MASK, (flags & UNDO_BIT) > 0
    signed = np.where(undo, -weight, weight)
    state = table.rows[rows]
    before = np.where(state["at"] > 0, state["at"], at.min())
    newest = before.copy()
    np.maximum.at(newest, position, at)

    counts = np.bincount(position * 4 + kind, np.where(undo, -1.0, 1.0), minlength=4 * len(rows)).reshape(-1, 4)
    for column, added in zip(COUNTS, counts.T, strict=True):
        state[column] += added.astype(np.int64)
    post = kind == TWEET
    engaged = np.where(post, 0.0, signed)
    for column, value, half_life_s in (
        ("engaged", engaged, s.half_life_slow_s),
        ("made", np.where(post, signed, 0.0), s.half_life_slow_s),
        ("fast", engaged, s.half_life_fast_s),
        ("day", engaged, s.half_life_day_s),
    ):
        state[column] = decay.folded(state[column], before, newest, value, at, position, half_life_s)
    state["at"] = newest
    posted = state["posted_at"].astype(np.float64)
    np.maximum.at(posted, position[post], at[post])
    state["posted_at"] = posted.astype(np.uint32)
    table.rows[rows] = state

    person = np.flatnonzero(~post & (weight > 0))
    if len(person):
        forward = decay.log2_forward(weight[person], at[person], s.half_life_slow_s)
        with np.errstate(divide="ignore"):
            network = forward + np.log2(record.standing[chosen[person]].astype(np.float64))
        favour = (kind[person] == LIKE) | (kind[person] == SHARE)
        entries = people_of(record.lo[record.actor[chosen[person]]], favour, (forward, network))
        fold_reach(table, rows, position[person], entries, undo[person])
        note_causes(table, rows[position[person]], record, chosen[person], weight[person], undo[person])
    table.refresh_reach(rows)


assert (TWEET, LIKE, SHARE, REPLY) == (0, 1, 2, 3)  # `COUNTS` is in this order
