"""What a fold notes of the rows it touches: how each was before, and what each engagement added.

Kept as columns until a flush tells of a row, or puts it by (`ledger`): a row that is touched a thousand times between two
flushes costs as much there as one touched three times.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streams.columns.index import Rows
from streams.columns.records import joined, picked
from streams.columns.texts import Texts
from streams.model.damping import strongest
from streams.tables.entity_rows import EntityRows
from streams.tables.joined import Joined

# Of one engagement, or of what one actor did of one kind.
ENTRY = np.dtype(
    [
        ("row", "<i8"),
        ("actor", "<i8"),  # index into the names
        ("person", "<u8"),  # the actor as a hash
        ("as_of", "<f8"),  # the time of the row at which what follows is exact, epoch s
        ("engaged", "<f8"),  # what was added to E
        ("reach", "<f8"),  # to R; of a sketch, if the person is new
        ("network", "<f8"),  # to G
        ("full", "<f8"),  # what would have been added to E undamped, had it come in time
        ("count", "<u4"),
        ("damping", "<u2"),  # as `streams.model.damping` packs it
        ("kind", "u1"),
        ("trust", "<f4"),
    ]
)  # fmt: skip


@dataclass(slots=True)
class Noted:
    """Of one fold: rows, how they stood before, what engagements added, and what was undone: entries of less than nothing.

    Actors are indices into `names`.
    """

    rows: Rows
    before: NDArray[np.void]
    entries: NDArray[np.void]
    undone: NDArray[np.void]
    names: Texts

    def only(self, is_wanted: Callable[[Rows], NDArray[np.bool_]]) -> Noted:
        """Return what is of some rows alone; `is_wanted` says of row numbers which."""
        mine = is_wanted(self.rows)
        entries, undone = (picked(part, is_wanted(part["row"])) for part in (self.entries, self.undone))
        return Noted(self.rows[mine], picked(self.before, mine), entries, undone, self.names)


def note(
    table: EntityRows, rows: Rows, before: NDArray[np.void], batch: Joined, chosen: Rows, position: Rows,
    added: NDArray[np.float64],
) -> None:  # fmt: skip
    """Remember what was just folded.

    Args:
        table: the partition's entities.
        rows: distinct rows, shape (k,).
        before: these rows before.
        batch: what was folded.
        chosen: the engagements of it that have a weight, shape (n,).
        position: index into `rows` of each.
        added: what each added to R and to G at the time of its row, shape (2, n).
    """
    entries = np.empty(len(chosen), dtype=ENTRY)
    at, weight = table.rows["at"][rows][position], batch.weight[chosen]
    faded = np.exp2((batch.at[chosen] - at) / table.settings.half_life_slow_s)
    actor = batch.actor[chosen]
    entries["row"], entries["as_of"], entries["actor"] = rows[position], at, actor
    entries["person"], entries["kind"], entries["trust"] = batch.lo[actor], batch.kind[chosen], batch.trust[chosen]
    entries["engaged"], entries["count"] = weight * faded, 1
    entries["reach"], entries["network"] = added
    entries["full"] = batch.kind_weight[chosen]
    factors = (batch.trust, batch.budget, batch.repeat, batch.reciprocity)
    entries["damping"] = strongest([*(factor[chosen] for factor in factors), faded])
    undo = batch.undo[chosen]
    undone = picked(entries, undo)
    undone["engaged"] *= -1
    table.noted.append(Noted(rows, before, picked(entries, ~undo) if len(undone) else entries, undone, batch.names))


def joined_entries(parts: Sequence[NDArray[np.void]], names: Sequence[Texts]) -> NDArray[np.void]:
    """Return entries of several as one array; their actors are indices into the names of all, one after the other."""
    if not parts:
        return np.zeros(0, dtype=ENTRY)
    entries = joined(parts)
    starts = np.cumsum([0, *(len(texts) for texts in names[:-1])])
    entries["actor"] += starts.repeat([len(part) for part in parts])
    return entries


def cut(notes: Sequence[Noted], pieces: Sequence[Rows], bound: int) -> list[Noted]:
    """Return one of each piece of rows that something was noted of, with names of its own, and one of all other rows.

    Each flush of a piece then looks at its own alone: looking through all for each takes time with the square of their number.

    Args:
        notes: in the order of time.
        pieces: rows, each in one of them at most.
        bound: is above all row numbers.
    """
    if not notes:
        return []
    piece_of = np.full(bound, len(pieces), dtype=np.uint32)
    for i, piece in enumerate(pieces):
        piece_of[piece] = i
    rows, before = np.concatenate([noted.rows for noted in notes]), joined([noted.before for noted in notes])
    texts = [noted.names for noted in notes]
    entries, undone = (joined_entries(parts, texts) for parts in zip(*((n.entries, n.undone) for n in notes), strict=True))
    names, found = Texts.concatenated(texts), list[Noted]()
    columns = (_by_piece(piece_of[owner], len(pieces) + 1) for owner in (rows, entries["row"], undone["row"]))
    for mine, mine_entries, mine_undone in zip(*columns, strict=True):
        if len(mine):
            mine = mine[np.unique(rows[mine], return_index=True)[1]]  # the first holds how a row was before all of them
            added, gone = picked(entries, mine_entries), picked(undone, mine_undone)
            used, place = np.unique(np.concatenate([added["actor"], gone["actor"]]), return_inverse=True)
            added["actor"], gone["actor"] = place[: len(added)], place[len(added) :]
            found.append(Noted(rows[mine], picked(before, mine), added, gone, names.pick(used).compact()))
    return found


def _by_piece(piece: NDArray[np.uint32], count: int) -> list[Rows]:
    """Return the positions in `piece` of each number below `count`, in order."""
    order = np.argsort(piece, kind="stable")
    return np.split(order, np.searchsorted(piece[order], np.arange(1, count)))
