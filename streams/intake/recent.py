"""Whom an actor lately engaged with: how often today, and what an undo takes back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streams.columns.grouping import order_by_owner, run_lengths, run_starts, stable_order, where_true
from streams.columns.index import Rows
from streams.columns.records import picked, put
from streams.model.weighing import REPEAT_WINDOW_S
from streams.tables.actor_rows import TARGET, ActorRows

_TAKEN_BACK = 255  # no kind: an engagement can be undone once
Floats = NDArray[np.float64]


@dataclass(slots=True)
class Undone:
    """What an undo found: the event of this batch it takes back, or what is remembered of an earlier one."""

    event: int
    original: int  # place in this batch, or -1
    weight: float
    standing: float


class RecentTargets:
    """The recent targets of the actors of one batch: read, then written back with the weights found.

    Args:
        actors: the partition's actors.
        rows: row of each event's actor, shape (n,).
        target: 64-bit hash of each event's target.
        at: event times, epoch s.
        kind: kinds.
        undo: which events take one back.
    """

    def __init__(
        self,
        actors: ActorRows,
        rows: Rows,
        target: NDArray[np.uint64],
        at: Floats,
        kind: NDArray[np.uint8],
        undo: NDArray[np.bool_],
    ) -> None:
        self._actors = actors
        self._rows, owner = np.unique(rows, return_inverse=True)
        self._held, held_owner = actors.targets.gather(self._rows)
        n = len(self._held)
        owners = np.concatenate([held_owner, owner])
        targets = np.concatenate([self._held["target"], target])
        # A group is an actor with a target.
        order = order_by_owner(owners, targets)
        first = run_starts(owners[order], targets[order])
        group = np.empty(len(order), dtype=np.int64)
        group[order] = np.arange(len(first)).repeat(run_lengths(first, len(order)))
        self._held_group, self._group = group[:n], group[n:]
        self._owner_of_group = owners[order[first]]
        self._at, self._kind, self._undo, self._target = at, kind, undo, target
        self._state = np.zeros(len(first), dtype=TARGET)
        self._state["kind"] = _TAKEN_BACK
        put(self._state, self._held_group, self._held)
        self._state["target"][self._group] = target
        self.times = self._count()

    def _count(self) -> NDArray[np.int64]:
        """Return of each event the how-manieth of its actor with its target within a day, 1 for the first."""
        state, group = self._state, self._group
        counted = where_true(~self._undo)
        order = counted[stable_order(group[counted])]
        times = np.ones(len(group), dtype=np.int64)
        if not len(order):
            return times
        g = group[order]
        first = run_starts(g)
        sizes = run_lengths(first, len(g))
        heads = g[first]
        at = self._at[order[first]]
        same_day = (state["times"][heads] > 0) & (np.abs(at - state["window"][heads]) < REPEAT_WINDOW_S)
        base = np.where(same_day, state["times"][heads].astype(np.int64), 0)
        state["window"][heads] = np.where(same_day, state["window"][heads], at.astype(np.uint32))
        times[order] = np.arange(len(g)) - np.repeat(first - base, sizes) + 1
        state["times"][heads] = np.minimum(base + sizes, 65535)
        return times

    def undone(self) -> list[Undone]:
        """Return what each undo of the batch takes back; one whose original isn't remembered is left out."""
        found: list[Undone] = []
        for event in where_true(self._undo).tolist():
            group, at, kind = self._group[event], int(self._at[event]), self._kind[event]
            earlier = where_true((self._group[:event] == group) & ~self._undo[:event] & (self._kind[:event] == kind))
            here = [i for i in earlier.tolist() if int(self._at[i]) == at and i not in {u.original for u in found}]
            state = self._state[group]
            if here:
                found.append(Undone(event, here[-1], 0.0, 0.0))
            elif state["kind"] == kind and state["at"] == at:
                found.append(Undone(event, -1, float(state["weight"]), float(state["standing"])))
                self._state["kind"][group] = _TAKEN_BACK
        return found

    def remember(self, weight: Floats, standing: Floats, undone: list[Undone]) -> None:
        """Store the latest engagement with each target; of an actor's targets the newest are kept."""
        counted = where_true(~self._undo)
        state, group = self._state, self._group[counted]
        # Assigned in offset order, so of several with one target the latest stays.
        state["at"][group] = self._at[counted].astype(np.uint32)
        state["kind"][group] = self._kind[counted]
        state["weight"][group] = weight[counted]
        state["standing"][group] = standing[counted]
        for u in undone:
            if u.original >= 0 and int(state["at"][self._group[u.original]]) == int(self._at[u.original]):
                state["kind"][self._group[u.original]] = _TAKEN_BACK
        worth = where_true(state["times"] > 0)
        counts = np.bincount(self._owner_of_group[worth], minlength=len(self._rows))
        most = self._actors.remembered
        crowded = counts[self._owner_of_group[worth]] > most
        if crowded.any():
            worth = np.concatenate([worth[~crowded], self._newest(worth[crowded], most)])
            worth = worth[stable_order(self._owner_of_group[worth])]
            counts = np.minimum(counts, most)
        self._actors.targets.replace(self._rows, picked(state, worth), counts)

    def _newest(self, groups: Rows, most: int) -> Rows:
        """Return, of each actor's groups, the `most` with the latest engagement."""
        order = groups[np.lexsort((-self._state["at"][groups].astype(np.int64), self._owner_of_group[groups]))]
        owners = self._owner_of_group[order]
        first = run_starts(owners)
        rank = np.arange(len(owners)) - first.repeat(run_lengths(first, len(owners)))
        return order[rank < most]
