"""Folding people into reach: exact sets up to 32, sketches beyond, and the switch between them.

The result depends on the order of the log only where it must: a row switches at its 33rd distinct person. Everything else is a
maximum or a minimum, so batches of any size give the same state.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streams.columns.grouping import distinct_numbers, order_by_owner, run_starts, stable_order, where_true
from streams.columns.index import Rows
from streams.columns.records import joined, picked, put
from streams.model import sketch
from streams.tables.contacts import beyond_before
from streams.tables.entity_rows import FAVOUR_BIT, MOST_EXACT, PERSON, SKETCH, EntityRows

# An undo names the contact it takes back by time and weight, which the actor's row remembers in 32 bits.
SAME_CONTACT = 1e-6
_RING = SKETCH["favours"].shape[0]


def people_of(
    person: NDArray[np.uint64], favour: NDArray[np.bool_], forward: tuple[NDArray[np.float64], NDArray[np.float64]]
) -> NDArray[np.void]:
    """Return engagements as entries of a reach set: hash with the favour bit, and forward log weights for R and G."""
    entries = np.empty(len(person), dtype=PERSON)
    entries["person"] = (person & ~FAVOUR_BIT) | favour.astype(np.uint64)
    entries["reach"], entries["network"] = forward
    return entries


def fold_reach(
    table: EntityRows, rows: Rows, position: Rows, entries: NDArray[np.void], undo: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Fold engagements of one record, in log order, into the reach of their rows (R and G are not recomputed here).

    Args:
        table: the partition's entities.
        rows: distinct rows, shape (k,).
        position: index into `rows` of each engagement, shape (n,).
        entries: who, as `people_of` gives it, shape (n,).
        undo: engagements taken back; they remove a person whose strongest contact was that one.

    Returns:
        What each added to R and to G at its row's time, shape (2, n); less than 0 where it was taken back. In a sketch it is
        not known who was there before: there it is what somebody new adds.
    """
    sketched = table.sketch_of[rows] > 0
    in_order = np.zeros(len(rows), dtype=bool)
    in_order[position[undo]] = True
    exact = ~sketched & ~in_order
    now = table.rows["at"][rows] / table.settings.half_life_slow_s
    strength = np.exp2(np.stack([entries["reach"], entries["network"]]) - now[position])
    added = np.where(undo, 0.0, strength)
    in_order[_merge(table, rows, exact, position, entries, added, now)] = True
    beyond = [where_true(sketched[position] & ~undo)]
    grown_up: dict[int, NDArray[np.void]] = {}
    for i in where_true(in_order & ~sketched).tolist():
        mine = where_true(position == i)
        rest, people, added[:, mine] = _fold_one(table, int(rows[i]), picked(entries, mine), undo[mine], strength[:, mine])
        if people is not None:
            grown_up[int(rows[i])] = people
        beyond.append(mine[rest:][~undo[mine[rest:]]])
    if grown_up:
        _switch(table, grown_up)
    chosen = np.sort(np.concatenate(beyond))
    if len(chosen):
        _fold_sketches(table, rows[position[chosen]], picked(entries, chosen))
    return added


def _merge(
    table: EntityRows, rows: Rows, exact: NDArray[np.bool_], position: Rows, entries: NDArray[np.void],
    added: NDArray[np.float64], now: NDArray[np.float64],
) -> Rows:  # fmt: skip
    """Merge into the exact sets of rows[exact]; return the positions of rows that would pass 32 people, untouched.

    What others add is less by what the same person had added before: `added` is brought to that.
    """
    taken = exact[position]
    if not taken.any():
        return np.zeros(0, dtype=np.int64)
    mine = where_true(exact)
    held, owner = table.people.gather(rows[mine])
    everybody = joined([held, picked(entries, taken)])
    owners = np.concatenate([mine[owner], position[taken]])
    identity = everybody["person"] >> np.uint64(1)
    order = order_by_owner(owners, identity << np.uint64(1))
    owners, identity, everybody = owners[order], identity[order], picked(everybody, order)
    first = run_starts(owners, identity)
    mine = where_true(taken)
    added[:, mine] = beyond_before(added[:, mine], everybody, now[owners], order, first)
    merged = np.empty(len(first), dtype=PERSON)
    merged["person"] = np.bitwise_or.reduceat(everybody["person"], first)
    merged["reach"] = np.maximum.reduceat(everybody["reach"], first)
    merged["network"] = np.maximum.reduceat(everybody["network"], first)
    counts = np.bincount(owners[first], minlength=len(rows))
    crossing = counts > MOST_EXACT
    fits = exact & (counts > 0) & ~crossing
    table.people.replace(rows[fits], picked(merged, fits[owners[first]]), counts[fits])
    return where_true(crossing)


def _fold_one(
    table: EntityRows, row: int, entries: NDArray[np.void], undo: NDArray[np.bool_], strength: NDArray[np.float64]
) -> tuple[int, NDArray[np.void] | None, NDArray[np.float64]]:
    """Fold into one exact row in log order.

    Args:
        table: the partition's entities.
        row: the row.
        entries: of this row, in log order.
        undo: which take one back.
        strength: what each adds to R and G if the person is new, shape (2, n).

    Returns:
        How many entries were taken, the row's 33 people if it has to become a sketch before the rest, and what each added.
    """
    single = np.array([row])
    now = table.rows["at"][row] / table.settings.half_life_slow_s
    people = {p[0] >> 1: p for p in table.people.gather(single)[0].tolist()}
    added = np.where(undo, 0.0, strength)
    for i, (entry, taken_back) in enumerate(zip(entries.tolist(), undo.tolist(), strict=True)):
        identity = entry[0] >> 1
        held = people.get(identity)
        if taken_back:
            if held is not None and abs(held[1] - entry[1]) < SAME_CONTACT:
                added[:, i] = -(2 ** (held[1] - now)), -(2 ** (held[2] - now))
                del people[identity]
        elif held is None:
            people[identity] = entry
            if len(people) > MOST_EXACT:
                return i + 1, np.array(list(people.values()), dtype=PERSON), added
        else:
            people[identity] = (held[0] | entry[0], max(held[1], entry[1]), max(held[2], entry[2]))
            for column in (0, 1):
                added[column, i] = max(0.0, strength[column, i] - 2 ** (held[column + 1] - now))
    table.people.replace(single, np.array(list(people.values()), dtype=PERSON), np.array([len(people)]))
    return len(entries), None, added


def _switch(table: EntityRows, people_of_row: dict[int, NDArray[np.void]]) -> None:
    """Turn exact rows into sketches, with the difference carried so that no reach jumps."""
    rows = np.array(list(people_of_row))
    people = joined(list(people_of_row.values()))
    owner = np.arange(len(rows)).repeat([len(p) for p in people_of_row.values()])
    h = table.settings.half_life_slow_s
    at = table.rows["at"][rows]
    table.people.clear(rows)
    places = table.new_sketches(rows)
    levels = tuple(np.full((len(rows), sketch.REGISTERS), sketch.EMPTY, dtype=np.int32) for _ in range(2))
    forward = (people["reach"].copy(), people["network"].copy())
    sketch.update((levels[0], levels[1]), owner, people["person"] & ~FAVOUR_BIT, forward)
    new = np.zeros(len(rows), dtype=SKETCH)
    for column, level in zip(("reach", "network"), levels, strict=True):
        new[column], new[column + "_base"] = sketch.pack(level)
        exact = np.bincount(owner, np.exp2(people[column] - at[owner] / h), minlength=len(rows))
        new[column + "_delta"] = exact - sketch.estimate(new[column], new[column + "_base"], at, h)
    new["delta_at"] = at
    # Those whose contact is strongest: sets have no order, and the ring must not depend on how batches were cut.
    by_strength = np.lexsort((people["person"], people["reach"]))
    favour = by_strength[(people["person"][by_strength] & FAVOUR_BIT) > 0]
    new["favours"] = _remembered(new["favours"], owner[favour], people["person"][favour])
    put(table.sketches, places, new)


def _fold_sketches(table: EntityRows, rows: Rows, entries: NDArray[np.void]) -> None:
    """Fold engagements into the sketches of their rows; one row per engagement, in log order."""
    places, which = distinct_numbers(table.sketch_of[rows].astype(np.int64) - 1, len(table.sketches))
    state = picked(table.sketches, places)
    levels = (sketch.unpack(state["reach"], state["reach_base"]), sketch.unpack(state["network"], state["network_base"]))
    forward = (entries["reach"].copy(), entries["network"].copy())
    sketch.update(levels, which, entries["person"] & ~FAVOUR_BIT, forward)
    for column, level in zip(("reach", "network"), levels, strict=True):
        state[column], state[column + "_base"] = sketch.pack(level)
    favour = (entries["person"] & FAVOUR_BIT) > 0
    state["favours"] = _remembered(state["favours"], which[favour], entries["person"][favour])
    put(table.sketches, places, state)


def _remembered(rings: NDArray[np.uint64], ring: Rows, person: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return rings with the newest people appended at the end, the oldest dropped; shape (k, 16)."""
    order = stable_order(ring)
    ring, person = ring[order], person[order]
    counts = np.bincount(ring, minlength=len(rings))
    from_end = (counts.cumsum()[ring] - 1) - np.arange(len(ring))
    kept = from_end < _RING
    shift = np.minimum(counts, _RING)
    padded = np.concatenate([rings, np.zeros_like(rings)], axis=1)
    result = np.take_along_axis(padded, np.arange(_RING) + shift[:, None], axis=1)
    result[ring[kept], _RING - 1 - from_end[kept]] = person[kept]
    return result
