"""R and G of every row: distinct people in log order, exact up to 32, beyond that the sketch that the people define.

The sketch's registers are the minimum over people of variates that their hashes define (`streams.model.sketch.update`); the rule
of the switch, the estimate and the difference carried over it are written again here.
"""

from __future__ import annotations

from math import exp2, log2

import numpy as np
from numpy.typing import NDArray

from streams.model import sketch
from streams.settings import Settings
from streams.verify.log import Floats, Ints, Log

MOST_EXACT = 32
_ROWS_AT_ONCE = 2000  # 4 MB of registers
_SAME_CONTACT = 1e-6  # log2 of weight: an undo names the contact it takes back by its weight and time
_PERSON_BITS = ~np.uint64(1)
_WIDEST = 255  # steps of 1/8 octave that a register of 8 bits can stand above the smallest

People = dict[int, tuple[float, float]]  # person -> strongest contact for R and G, log2(weight) + at/h


class _Beyond:
    """Rows that passed 32 people: who was in the exact set, and who came after."""

    def __init__(self) -> None:
        self.rows: list[int] = []
        self.sets: list[People] = []
        self.after: list[Ints] = []


def reach_of_rows(
    log: Log, engaged: Ints, at: Floats, settings: Settings, decayed: dict[str, Floats], tolerance: dict[str, Floats]
) -> None:
    """Add `reach` and `network` of every name to `decayed` and `tolerance`.

    Args:
        log: one partition.
        engaged: engagements with a weight, in log order.
        at: the time wanted, by name.
        settings: the slow half-life.
        decayed: filled.
        tolerance: filled.
    """
    for name in ("reach", "network"):
        decayed[name], tolerance[name] = np.zeros(len(log.names)), np.zeros(len(log.names))
    h = settings.half_life_slow_s
    order = engaged[np.argsort(log.target[engaged], kind="stable")]
    rows, first = np.unique(log.target[order], return_index=True)
    person = (log.hashes[log.actor[order]] & _PERSON_BITS).tolist()
    when, undo = log.at[order] / h, log.undo[order].tolist()
    reach = np.log2(log.weight[order]) + when
    network = np.full(len(order), -np.inf)
    known = log.standing[order] > 0
    network[known] = reach[known] + np.log2(log.standing[order][known])
    contacts = list(zip(reach.tolist(), network.tolist(), strict=True))
    beyond = _Beyond()
    for row, start, stop in zip(rows.tolist(), first.tolist(), [*first.tolist(), len(order)][1:], strict=True):
        people, rest = _exact(person, contacts, undo, start, stop)
        if len(people) > MOST_EXACT:
            beyond.rows.append(row)
            beyond.sets.append(people)
            beyond.after.append(np.array([i for i in range(rest, stop) if not undo[i]], dtype=np.int64))
            continue
        now = at[row] / h
        for which, name in enumerate(("reach", "network")):
            decayed[name][row] = sum(_faded(contact[which] - now) for contact in people.values())
            tolerance[name][row] = (1e-9 + 1e-15 * abs(now)) * decayed[name][row]
    for i in range(0, len(beyond.rows), _ROWS_AT_ONCE):
        part = slice(i, i + _ROWS_AT_ONCE)
        _sketched(
            np.array(beyond.rows[part]), beyond.sets[part], beyond.after[part],
            (np.array(person, dtype=np.uint64), reach, network), at / h, decayed, tolerance,
        )  # fmt: skip


def _faded(exponent: float) -> float:
    return exp2(exponent) if exponent > -1000 else 0.0


def _exact(person: list[int], contacts: list[tuple[float, float]], undo: list[bool], start: int, stop: int) -> tuple[People, int]:
    """Return the people of one row and how far the log was taken: the end, or just past its 33rd distinct person."""
    people: People = {}
    for i in range(start, stop):
        who, contact = person[i], contacts[i]
        held = people.get(who)
        if undo[i]:
            if held is not None and abs(held[0] - contact[0]) < _SAME_CONTACT:
                del people[who]
        elif held is None:
            people[who] = contact
            if len(people) > MOST_EXACT:
                return people, i + 1
        elif contact[0] > held[0] or contact[1] > held[1]:
            people[who] = (max(held[0], contact[0]), max(held[1], contact[1]))
    return people, stop


def _sketched(
    rows: Ints, sets: list[People], after: list[Ints], engagements: tuple[NDArray[np.uint64], Floats, Floats], now: Floats,
    decayed: dict[str, Floats], tolerance: dict[str, Floats],
) -> None:  # fmt: skip
    """Fill in the rows beyond 32 people; `now` is at/h by name."""
    k = len(rows)
    levels = [np.full((k, sketch.REGISTERS), sketch.EMPTY, dtype=np.int32) for _ in range(2)]
    row = np.repeat(np.arange(k), [len(people) for people in sets])
    who = np.array([p for people in sets for p in people], dtype=np.uint64)
    held = np.array([contact for people in sets for contact in people.values()])
    sketch.update((levels[0], levels[1]), row, who, (held[:, 0].copy(), held[:, 1].copy()))
    exact = [np.bincount(row, np.exp2(held[:, which] - now[rows][row]), minlength=k) for which in range(2)]
    delta = [exact[which] - _estimate(levels[which], now[rows]) for which in range(2)]
    later = np.concatenate(after)
    person, reach, network = engagements
    sketch.update(
        (levels[0], levels[1]), np.repeat(np.arange(k), [len(a) for a in after]), person[later], (reach[later], network[later])
    )
    for which, name in enumerate(("reach", "network")):
        guess = _estimate(levels[which], now[rows])
        decayed[name][rows] = np.maximum(guess + delta[which], 0.0)
        tolerance[name][rows] = (1e-9 + 1e-15 * np.abs(now[rows])) * (guess + np.abs(delta[which]))


def _estimate(levels: NDArray[np.int32], now: Floats) -> Floats:
    """Return (m - 1)/sum of the registers at `now`, each register taken in the middle of its step; 0 where nobody is."""
    least = levels.min(axis=1)
    above = np.minimum(levels - least[:, None], _WIDEST)
    middle = (2 ** (1 / sketch.STEPS) - 1) / (log2(np.e) ** -1 / sketch.STEPS)
    total = (2.0 ** (above / sketch.STEPS)).sum(axis=1) * middle
    found = (sketch.REGISTERS - 1) / total
    somebody = least < sketch.EMPTY
    return np.where(somebody, found * np.exp2(np.where(somebody, -least / sketch.STEPS - now, 0.0)), 0.0)
