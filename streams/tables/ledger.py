"""What is known of why rows moved since their last change event, until the next one tells it.

A row that a flush touches without telling of it puts by how it stood when it was told of, the largest few of what actors added,
and the sum of the rest. That is a few short texts of bytes, written with the row: a crash forgets none of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from streams.columns.grouping import order_by_owner, run_lengths, run_starts, where_true
from streams.columns.hashing import hash_names
from streams.columns.index import Rows
from streams.columns.records import joined, picked, put
from streams.columns.texts import Texts
from streams.tables.entity_rows import EntityRows
from streams.tables.notes import ENTRY, Noted, joined_entries
from streams.tables.reasons import MOST

# How a row stood when it was told of.
TOLD = np.dtype(
    [
        ("at", "<f8"), ("engaged", "<f8"), ("made", "<f8"), ("reach", "<f8"), ("network", "<f8"), ("posted_at", "<u4"),
        ("posts", "<i8"),
    ]
)  # fmt: skip
SUM = np.dtype([("count", "<u4"), ("engaged", "<f8"), ("reach", "<f8"), ("network", "<f8")])
# `lost`: the row moved before `told`, and nobody knows why any more: a release that didn't note it had touched it.
HEAD = np.dtype([("told", TOLD), ("others", SUM), ("undone", SUM), ("as_of", "<f8"), ("lost", "u1")])
GROUP = np.dtype(
    [
        ("engaged", "<f4"), ("reach", "<f4"), ("network", "<f4"), ("full", "<f4"), ("count", "<u4"), ("damping", "<u2"),
        ("kind", "u1"),
    ]
)  # fmt: skip
_SUMMED = ("engaged", "reach", "network")
_SPREAD = np.uint64(0x9E3779B97F4A7C15)


@dataclass(slots=True)
class Open:
    """What a row has put by: a `HEAD`, and for each of `actors` (entity names) a `GROUP`."""

    head: bytes
    groups: bytes = b""
    actors: Sequence[bytes] = ()


@dataclass(slots=True)
class Ledger:
    """Columns of k rows; the `entries` are `ENTRY`, one per actor and kind, sorted by `row`, which is the place among the k.

    `is_known` is False for rows that nothing was folded into: they are named again, or a crash forgot why they moved.
    """

    rows: Rows
    is_known: NDArray[np.bool_]
    lost: NDArray[np.bool_]
    told: NDArray[np.void]
    others: NDArray[np.void]
    undone: NDArray[np.void]
    entries: NDArray[np.void]
    names: Texts


def take_ledger(table: EntityRows, rows: Rows) -> Ledger:
    """Return and forget what is known of distinct rows, as of their own time."""
    k, h, at = len(rows), table.settings.half_life_slow_s, table.rows["at"][rows]
    places = _Places(rows, len(table.rows))
    told, known, lost = np.zeros(k, dtype=TOLD), np.zeros(k, dtype=bool), np.zeros(k, dtype=bool)
    others, undone = np.zeros(k, dtype=SUM), np.zeros(k, dtype=SUM)
    mine = _taken(table, places)
    for noted in reversed(mine):  # of several the first holds how a row was before all of them
        place = places.of(noted.rows)
        known[place] = True
        put(told, place, told_of(noted.before))
    names, parts = [noted.names for noted in mine], [noted.entries for noted in mine]
    held = [(place, table.open.pop(row)) for place, row in enumerate(rows.tolist()) if row in table.open] if table.open else []
    if held:
        at_place = np.array([place for place, _ in held])
        heads = np.frombuffer(b"".join([open.head for _, open in held]), HEAD)
        told[at_place], lost[at_place], known[at_place] = heads["told"], heads["lost"] > 0, True
        left = np.exp2((heads["as_of"] - at[at_place]) / h)
        for kept, name in ((others, "others"), (undone, "undone")):
            kept["count"][at_place] = heads[name]["count"]
            for column in _SUMMED:
                kept[column][at_place] = heads[name][column] * left
        actors = [actor for _, open in held for actor in open.actors]
        parts.append(_entries([open for _, open in held], rows[at_place], heads["as_of"], actors))
        names.append(Texts.of(actors))
    entries = joined_entries(parts, names)
    taken_back = joined([noted.undone for noted in mine]) if mine else np.zeros(0, dtype=ENTRY)
    for part in (entries, taken_back):
        part["row"] = places.of(part["row"])
        left = np.exp2((part["as_of"] - at[part["row"]]) / h)
        for column in (*_SUMMED, "full"):
            part[column] *= left
    undone["count"] += np.bincount(taken_back["row"], minlength=k).astype(np.uint32)
    for column in _SUMMED:
        undone[column] += np.bincount(taken_back["row"], taken_back[column], minlength=k)
    entries = _grouped(entries)
    ledger = Ledger(rows, known, lost, told, others, undone, entries, Texts.concatenated(names) if names else Texts.of([]))
    # Who took something back isn't named: where they are in no set of people any more, nobody would find what names them.
    return among_others(ledger, np.isin(_who(entries), _who(taken_back))) if len(taken_back) else ledger


def among_others(ledger: Ledger, hidden: NDArray[np.bool_]) -> Ledger:
    """Return a ledger in which those of its entries that `hidden` marks count among the others."""
    theirs, others = picked(ledger.entries, hidden), ledger.others.copy()
    for column in others.dtype.names or ():
        others[column] += np.bincount(theirs["row"], theirs[column], len(others)).astype(others[column].dtype)
    return replace(ledger, others=others, entries=picked(ledger.entries, ~hidden))


def _who(entries: NDArray[np.void]) -> NDArray[np.uint64]:
    """Return a hash of the row and the person of each entry."""
    hashes: NDArray[np.uint64] = entries["person"] ^ (entries["row"].astype(np.uint64) * _SPREAD)
    return hashes


class _Places:
    """Where each row number stands among distinct ones; `bound` is above all row numbers."""

    def __init__(self, rows: Rows, bound: int) -> None:
        self._rows = rows
        # Not cleared: what a row that isn't among them has there points at one that is another.
        self._place = np.empty(bound, dtype=np.uint32)
        self._place[rows] = np.arange(len(rows))

    def has(self, rows: Rows) -> NDArray[np.bool_]:
        found: NDArray[np.bool_] = self._rows[np.minimum(self._place[rows], len(self._rows) - 1)] == rows
        return found

    def of(self, rows: Rows) -> Rows:
        return self._place[rows].astype(np.int64)


def _taken(table: EntityRows, places: _Places) -> list[Noted]:
    """Return what was noted of the rows; what is of others waits for the flush that touches them."""
    notes, table.unsaid = table.unsaid, []
    mine = []
    for noted in notes:
        has = places.has(noted.rows)
        if has.all():
            mine.append(noted)
        elif not has.any():
            table.unsaid.append(noted)
        else:
            mine.append(noted.only(places.has))
            table.unsaid.append(noted.only(lambda rows: ~places.has(rows)))
    return [noted for noted in mine if len(noted.rows)]


def told_of(rows: NDArray[np.void]) -> NDArray[np.void]:
    """Return what a statement needs of entity rows as they were when they were told of."""
    told = np.empty(len(rows), dtype=TOLD)
    for name in TOLD.names or ():
        told[name] = rows[name]
    return told


def _entries(held: Sequence[Open], rows: Rows, as_of: NDArray[np.float64], actors: Sequence[bytes]) -> NDArray[np.void]:
    groups = np.frombuffer(b"".join([open.groups for open in held]), GROUP)
    which = np.arange(len(held)).repeat([len(open.actors) for open in held])
    entries = np.zeros(len(groups), dtype=ENTRY)
    entries["row"], entries["as_of"], entries["actor"] = rows[which], as_of[which], np.arange(len(groups))
    entries["person"] = hash_names(actors)[0] if len(actors) else 0
    for name in GROUP.names or ():
        entries[name] = groups[name]
    return entries


def _grouped(entries: NDArray[np.void]) -> NDArray[np.void]:
    """Return the entries of one row, actor and kind as one, sorted by row."""
    identity = entries["person"] ^ (entries["kind"].astype(np.uint64) * _SPREAD)
    order = order_by_owner(entries["row"], identity)
    first = run_starts(entries["row"][order], identity[order])
    groups = picked(entries, order[first])
    if len(first) < len(entries):
        for column in (*_SUMMED, "full", "count"):
            groups[column] = np.add.reduceat(entries[column][order], first)
        groups["damping"] = np.maximum.reduceat(entries["damping"][order], first)
    return groups


def ranked(row: Rows, size: NDArray[np.float64]) -> tuple[Rows, Rows]:
    """Return the order by row and, inside, from the largest on, and the rank of each in that order."""
    order = np.lexsort((-size, row))
    first = run_starts(row[order])
    return order, np.arange(len(order)) - first.repeat(run_lengths(first, len(order)))


def put_by(table: EntityRows, ledger: Ledger, which: NDArray[np.bool_]) -> None:
    """Keep what is known of those rows of a ledger that `which` marks, for a later flush."""
    which = which & ledger.is_known
    places = where_true(which)
    if not len(places):
        return
    entries = picked(ledger.entries, which[ledger.entries["row"]])
    order, rank = ranked(entries["row"], entries["reach"] + entries["network"] + entries["engaged"])
    entries = picked(entries, order)
    kept, rest = picked(entries, rank < MOST), picked(entries, rank >= MOST)
    heads = np.zeros(len(places), dtype=HEAD)
    heads["told"], heads["others"], heads["undone"] = ledger.told[places], ledger.others[places], ledger.undone[places]
    heads["as_of"], heads["lost"] = table.rows["at"][ledger.rows[places]], ledger.lost[places]
    if len(rest):
        heads["others"]["count"] += np.bincount(rest["row"], rest["count"], len(which)).astype(np.uint32)[places]
        for column in _SUMMED:
            heads["others"][column] += np.bincount(rest["row"], rest[column], len(which))[places]
    groups = np.zeros(len(kept), dtype=GROUP)
    for name in GROUP.names or ():
        groups[name] = kept[name]
    actors, blob, head = ledger.names.pick(kept["actor"]).tolist(), groups.tobytes(), heads.tobytes()
    counts = np.bincount(kept["row"], minlength=len(which))[places].tolist()
    at = 0
    for i, (row, count) in enumerate(zip(ledger.rows[places].tolist(), counts, strict=True)):
        table.open[row] = Open(
            head[i * HEAD.itemsize : (i + 1) * HEAD.itemsize],
            blob[at * GROUP.itemsize : (at + count) * GROUP.itemsize],
            actors[at : at + count],
        )
        at += count
