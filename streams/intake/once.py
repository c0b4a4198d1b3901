"""Weighing each event once, though a crash may have it taken again.

Rows become durable before the position does. After a crash some hold events that are taken again: those are weighed, since an
engagement of theirs may be missing, but leave no trace in the rows.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from streams.columns.grouping import where_true
from streams.columns.index import Rows
from streams.columns.records import picked, put
from streams.events.decode import Events
from streams.intake.named import Accounts
from streams.intake.selecting import select
from streams.intake.weigh import Factors, Floats, Places, weigh
from streams.settings import Settings
from streams.tables.actor_rows import ActorRows
from streams.tables.entity_rows import EntityRows


def weigh_once(
    events: Events, at: Floats, broker_s: Floats, places: Places, accounts: Accounts, actors: ActorRows, entities: EntityRows,
    settings: Settings, may_be_held: bool,
) -> Factors:  # fmt: skip
    """Weigh the accepted events of a batch as `weigh` does; those that their actors' rows hold already change no row.

    Args:
        events: accepted events only, shape (n,).
        at: their times, clamped.
        broker_s: broker times.
        places: where each was read.
        accounts: the batch's accounts.
        actors: updated.
        entities: read.
        settings: weights and scales.
        may_be_held: whether rows read from the changelog may hold some of them.
    """
    is_held = _held(places, accounts, actors) if may_be_held else np.zeros(len(at), dtype=bool)
    if not is_held.any():
        return weigh(events, at, broker_s, places, accounts, actors, entities, settings)
    factors = Factors(*(np.empty(len(at)) for _ in Factors.__slots__))

    def weigh_some(some: Rows) -> None:
        mine = replace(accounts, actor=accounts.actor[some], author=accounts.author[some])
        chosen = select(events, some)
        found = weigh(chosen, at[some], broker_s[some], places.some(some), mine, actors, entities, settings)
        for name in Factors.__slots__:
            getattr(factors, name)[some] = getattr(found, name)

    before = _Before(actors, np.unique(_rows(places, accounts, actors)[is_held]))
    weigh_some(where_true(is_held))
    before.put_back()
    if not is_held.all():
        weigh_some(where_true(~is_held))
    return factors


class _Before:
    """Rows as they were."""

    def __init__(self, actors: ActorRows, rows: Rows) -> None:
        self._actors, self._rows = actors, rows
        self._state, self._dirty = picked(actors.rows, rows), actors.dirty[rows]
        self._targets, self._counts = actors.targets.gather(rows)[0], actors.targets.count[rows].astype(np.int64)
        self._taken = {topic: column[rows] for topic, column in actors.taken.by_topic()}

    def put_back(self) -> None:
        """Undo what was done to the rows since."""
        put(self._actors.rows, self._rows, self._state)
        self._actors.dirty[self._rows] = self._dirty
        self._actors.targets.replace(self._rows, self._targets, self._counts)
        for topic, offsets in self._taken.items():
            self._actors.taken.of_hash(topic)[self._rows] = offsets


def _rows(places: Places, accounts: Accounts, actors: ActorRows) -> Rows:
    return actors.find(accounts.lo[accounts.actor], accounts.hi[accounts.actor], places.partition)


def _held(places: Places, accounts: Accounts, actors: ActorRows) -> NDArray[np.bool_]:
    rows = _rows(places, accounts, actors)
    is_held = np.zeros(len(rows), dtype=bool)
    for topic, some in places.by_topic():
        found = rows[some]
        is_held[some] = (found >= 0) & (places.offset[some] < actors.taken.of_topic(topic)[found])
    return is_held
