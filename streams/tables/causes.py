"""Why a score moves: the few largest contributions to each row since its last change event.

Noted as columns while folding, resolved to names once per flush: a row that is touched a thousand times between two flushes
costs as much here as one touched three times.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streams.columns.grouping import run_lengths, run_starts
from streams.columns.index import Rows
from streams.columns.texts import Texts
from streams.tables.entity_rows import EntityRows
from streams.tables.joined import Joined

MOST = 3


@dataclass(slots=True)
class Noted:
    """Contributions of one batch: row, weight, kind, the actor as an index into the batch's names and as a hash, its trust."""

    row: Rows
    weight: NDArray[np.float64]
    kind: NDArray[np.uint8]
    actor: Rows
    person: NDArray[np.uint64]
    trust: NDArray[np.float32]
    names: Texts

    def keep(self, mask: NDArray[np.bool_]) -> None:
        """Forget the others."""
        for column in ("row", "weight", "kind", "actor", "person", "trust"):
            setattr(self, column, getattr(self, column)[mask])


def note_causes(table: EntityRows, rows: Rows, batch: Joined, chosen: Rows) -> None:
    """Remember the engagements just folded; ones taken back are no cause of a rise."""
    undo = batch.undo[chosen]
    if undo.any():
        actors = batch.names.pick(batch.actor[chosen[undo]]).tolist()
        table.taken_back.extend(zip(rows[undo].tolist(), actors, strict=True))
    e = chosen[~undo]
    actor = batch.actor[e]
    table.noted.append(Noted(rows[~undo], batch.weight[e], batch.kind[e], actor, batch.lo[actor], batch.trust[e], batch.names))


def settle_causes(table: EntityRows) -> None:
    """Move what was noted into `table.causes`, the largest three of each row."""
    if not table.noted:
        return
    noted, table.noted = table.noted, []
    row = np.concatenate([n.row for n in noted])
    weight = np.concatenate([n.weight for n in noted])
    kind = np.concatenate([n.kind for n in noted])
    starts = np.cumsum([0, *(len(n.names) for n in noted[:-1])])
    actor = np.concatenate([n.actor + start for n, start in zip(noted, starts, strict=True)])
    order = np.lexsort((-weight, row))
    row = row[order]
    first = run_starts(row)
    rank = np.arange(len(row)) - first.repeat(run_lengths(first, len(row)))
    picked = order[rank < MOST]
    names = Texts.concatenated([n.names for n in noted]).pick(actor[picked]).tolist()
    told = zip(weight[picked].tolist(), kind[picked].tolist(), names, strict=True)
    causes = table.causes
    for r, cause in zip(row[rank < MOST].tolist(), told, strict=True):
        held = causes.get(r)
        if held is None:
            causes[r] = [cause]
        elif len(held) < MOST:
            held.append(cause)
        else:
            smallest = min(held)
            if cause[0] > smallest[0]:
                held[held.index(smallest)] = cause
    _drop_taken_back(table)


def _drop_taken_back(table: EntityRows) -> None:
    """Take who took an engagement back out of what they caused since the last change: the set of people may not have them."""
    for row, actor in table.taken_back:
        if row in table.causes:
            table.causes[row] = [cause for cause in table.causes[row] if cause[2] != actor]
    table.taken_back.clear()


def drop_forgotten(table: EntityRows, rows: Rows) -> None:
    """Take who is forgotten out of the causes that rows have."""
    for row in rows.tolist() if table.forgotten and table.causes else ():
        held = table.causes.get(row)
        if held and not (kept := [cause for cause in held if not table.forgotten.has(cause[2])]):
            del table.causes[row]
        elif held:
            table.causes[row] = kept
