"""Folding `engagements` records into their entities: `design.md` 3.4, vectorised.

A record at offset o is folded once: engagements whose event was applied before (e <= H of their source) are dropped, rows that
already hold o (they were recovered from a changelog ahead of the marker) are left as they are, and every row that a record
names becomes dirty either way.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streams.columns.grouping import distinct_numbers, where_true
from streams.columns.index import Rows
from streams.columns.records import copied, picked, put
from streams.events.engagements import LIKE, REPLY, SHARE, TWEET, Engagements
from streams.model import decay
from streams.tables.entity_rows import COUNTS, EntityRows
from streams.tables.fold_reach import fold_reach, people_of
from streams.tables.joined import Joined, join
from streams.tables.notes import note
from streams.tables.past import remember


def fold(table: EntityRows, records: Sequence[Engagements], offsets: Sequence[int], parts: Sequence[int] | None = None) -> None:
    """Fold records of the engagements topic.

    Args:
        table: what they are folded into.
        records: of each partition in the order of their offsets.
        offsets: where each stands in its partition.
        parts: partition of each; all of 0 by default.
    """
    unread = [
        (record, offset, part, log)
        for record, offset, part in zip(records, offsets, parts or [0] * len(records), strict=True)
        if offset > (log := table.log(part)).folded
    ]
    if not unread:
        return
    records, offsets, parts, logs = zip(*unread, strict=True)
    batch = join(records, offsets, parts, logs)
    for offset, log in zip(offsets, logs, strict=True):
        log.folded = max(log.folded, offset)
    named, position = distinct_numbers(batch.target, len(batch.names))
    rows = _rows_of(table, batch, named, position)
    found = rows >= 0
    table.dirty[rows[found]] = True
    held = np.full(len(rows), -1)
    held[found] = table.rows["off"][rows[found]]
    chosen = where_true(batch.fresh & (held[position] < batch.offset))
    if not len(chosen):
        return
    touched, position = distinct_numbers(position[chosen], len(rows))
    rows = rows[touched]
    _pass_time(table, batch, chosen)
    _add(table, rows, position, batch, chosen)
    latest = table.rows["off"][rows]
    np.maximum.at(latest, position, batch.offset[chosen])
    table.rows["off"][rows] = latest
    table.folded_since[rows] = True


def _pass_time(table: EntityRows, batch: Joined, chosen: Rows) -> None:
    """Raise the watermarks of partitions, and add to the pace of all their entities, before their rows are."""
    s, parts = table.settings, batch.part[chosen]
    for part in set(parts.tolist()):
        mine = chosen[parts == part]
        log, at, weight = table.log(part), batch.at[mine], np.where(batch.undo[mine], -batch.weight[mine], batch.weight[mine])
        log.watermark = max(log.watermark, float(at.max()))
        engaged = np.where(batch.kind[mine] == TWEET, 0.0, weight)
        table.pace(part).add(at, engaged, (s.half_life_fast_s, s.half_life_day_s))


def _rows_of(table: EntityRows, batch: Joined, named: Rows, position: Rows) -> Rows:
    """Return the row of each named entity; those that nothing fresh is for are not made, and are -1 when missing."""
    lo, hi = batch.lo[named], batch.hi[named]
    part = np.empty(len(named), dtype=np.int64)
    part[position] = batch.part  # an entity's engagements are all in its own partition
    rows = np.full(len(named), -1, dtype=np.int64)
    first_fresh = np.full(len(named), np.iinfo(np.int64).max)
    np.minimum.at(first_fresh, position[batch.fresh], batch.offset[batch.fresh])
    wanted = first_fresh < np.iinfo(np.int64).max
    make, skip = where_true(wanted), where_true(~wanted)
    rows[make], new = table.find_or_add(lo[make], hi[make], batch.names, named[make], part[make])
    table.rows["off"][new] = -1
    table.rows["published"][new] = 1.0
    made = make[np.isin(rows[make], new)] if len(new) else new
    table.rows["born"][rows[made]] = first_fresh[made]
    rows[skip] = table.find(lo[skip], hi[skip], part[skip])
    return rows


def _add(table: EntityRows, rows: Rows, position: Rows, batch: Joined, chosen: Rows) -> None:
    """Add the chosen engagements to their distinct rows: counts, decayed counters, reach."""
    s = table.settings
    at, weight, kind, undo = batch.at[chosen], batch.weight[chosen], batch.kind[chosen], batch.undo[chosen]
    signed = np.where(undo, -weight, weight)
    state = picked(table.rows, rows)
    was = copied(state)
    before = np.where(state["at"] > 0, state["at"], at.min())
    newest = before.copy()
    np.maximum.at(newest, position, at)
    earliest = np.full(len(rows), np.inf)
    np.minimum.at(earliest, position, at)
    remember(table.past, rows, state, newest, earliest, s)

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
    put(table.rows, rows, state)

    person = where_true(~post & (weight > 0))
    gained = np.zeros((2, 0))
    if len(person):
        forward = decay.log2_forward(weight[person], at[person], s.half_life_slow_s)
        with np.errstate(divide="ignore"):
            network = forward + np.log2(batch.standing[chosen[person]])
        favour = (kind[person] == LIKE) | (kind[person] == SHARE)
        entries = people_of(batch.lo[batch.actor[chosen[person]]], favour, (forward, network))
        gained = fold_reach(table, rows, position[person], entries, undo[person])
    note(table, rows, was, batch, chosen[person], position[person], gained)
    table.refresh_reach(rows)


assert (TWEET, LIKE, SHARE, REPLY) == (0, 1, 2, 3)  # `COUNTS` is in this order
