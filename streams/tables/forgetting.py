"""Taking somebody out of the entities table: their own rows, and their name where it stands in somebody else's.

Rows are found by a walk, a slice at a flush, since nobody knows the hash of an account in a topic. An entity whose last score
named somebody as a cause is written again without; that is told by the set of people it has, and where that is a sketch, which
knows nobody, it is written again in any case. Sets and sketches keep a hash of somebody forgotten until it has faded.
"""

from __future__ import annotations

import numpy as np

from streams.columns.grouping import where_true
from streams.columns.index import Rows
from streams.tables.entity_rows import FAVOUR_BIT, EntityRows
from streams.tables.forgotten import NOBODY, Forgotten
from streams.tables.ledger import Ledger, among_others

SLICE = 20_000  # rows looked at per flush: 10 ms
INTERVAL_S = 10.0  # between the beginnings of two walks: a network's moderators may close accounts by the minute


class Walk:
    """The walk over a table that takes out who is forgotten; it begins when somebody is, and when a partition comes.

    Args:
        table: with the rows of all owned partitions.
    """

    def __init__(self, table: EntityRows) -> None:
        self._table = table
        self._done_for, self._done_of = NOBODY, set[int]()
        self._walking: tuple[Forgotten, set[int]] | None = None
        self._next, self._began_s = 0, float("-inf")

    def step(self, owned: set[int], now_s: float) -> None:
        """Look at the next slice, if there is anything to look for.

        Args:
            owned: partitions; another object is another assignment, which may have brought what somebody else wrote meanwhile.
            now_s: any steady clock, s.
        """
        table = self._table
        if self._walking is None:
            is_done = self._done_for is table.forgotten and self._done_of is owned
            if not table.forgotten or not owned or is_done or now_s - self._began_s < INTERVAL_S:
                return
            self._walking, self._next, self._began_s = (table.forgotten, owned), 0, now_s
        rows = self._next + where_true(table.used[self._next : self._next + SLICE])
        look(table, rows)
        self._next += SLICE
        if self._next >= len(table.used):
            (self._done_for, self._done_of), self._walking = self._walking, None


def look(table: EntityRows, rows: Rows) -> None:
    """Doom those of rows that are of somebody forgotten, and have those that may name one written again."""
    table.doom(rows)
    for row in rows.tolist() if table.open else ():
        if row in table.open and any(map(table.forgotten.has, table.open[row].actors)):
            table.dirty[row] = True
    told = rows[table.rows["before"][rows] > 0]  # the last score of these has a change event
    held, owner = table.people.gather(told)
    names = table.sketch_of[told] > 0
    names[owner[np.isin(held["person"] | FAVOUR_BIT, table.forgotten.lo | FAVOUR_BIT)]] = True
    table.dirty[told[names]] = True


def nameless(ledger: Ledger, forgotten: Forgotten) -> Ledger:
    """Return a ledger in which who is forgotten counts among the others."""
    return among_others(ledger, np.isin(ledger.entries["person"], forgotten.lo)) if forgotten else ledger
