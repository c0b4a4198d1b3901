"""Surges: while an entity is engaged with more than usual, who is behind it.

A surge begins at the flush that finds z above 2 and ends at one that finds it below. Only while it lasts are people remembered,
a bounded number of them, so the many entities to which nothing happens cost nothing. From z = 2 to z = 5 takes more than
five people in any case. A surge is written with its row, or a crash would forget it.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from streams.columns.grouping import distinct_numbers, where_true
from streams.columns.index import Rows
from streams.columns.records import joined, picked
from streams.events.engagements import LIKE, REPLY, SHARE
from streams.model import alerting
from streams.tables.entity_rows import EntityRows
from streams.tables.past import moved

Floats = NDArray[np.float64]
MOST_PEOPLE = 32
_FIXED = struct.Struct("<q?IIII")


@dataclass(slots=True)
class Surge:
    """One surge of one entity.

    `began` is the first version (engagements offset) at which it can have begun: behind the one at which it wasn't seen yet. With
    the entity it is its identity, except for who folds the same engagements again after a crash, cut otherwise. `told` says that
    a change event was sent for it. `likes`, `shares` and `replies` count engagements since, `low_trust` those of them by accounts
    below `alerting.TRUSTED`. `people` are hashes of the first distinct trusted ones, at most `MOST_PEOPLE`.
    """

    began: int
    told: bool = False
    likes: int = 0
    shares: int = 0
    replies: int = 0
    low_trust: int = 0
    people: dict[int, None] = field(default_factory=dict)

    def encode(self) -> bytes:
        """Return what the changelog keeps."""
        fixed = _FIXED.pack(self.began, self.told, self.likes, self.shares, self.replies, self.low_trust)
        return fixed + struct.pack(f"<{len(self.people)}Q", *self.people)

    @classmethod
    def decode(cls, value: bytes) -> Surge:
        """Return the surge in `value`."""
        people = struct.unpack_from(f"<{(len(value) - _FIXED.size) // 8}Q", value, _FIXED.size)
        began, told, likes, shares, replies, low_trust = _FIXED.unpack_from(value)
        return cls(began, told, likes, shares, replies, low_trust, dict.fromkeys(people))


@dataclass(frozen=True, slots=True)
class Judged:
    """Columns of rows: z, X, and x after the corrections."""

    z: Floats
    counted: Floats
    expected: Floats


def judge(table: EntityRows, rows: Rows) -> Judged:
    """Return how far rows are above their usual pace; z is 0 for those that aren't known for long enough."""
    s, state, past = table.settings, picked(table.rows, rows), picked(table.past, rows)
    fast, day, at = state["fast"], state["day"], state["at"]
    age = at - past["since"]
    x = alerting.expected(state["engaged"], fast, age, s)
    # Of a row that an earlier release made nobody knows the age: take the day's pace where that is higher.
    x = np.where(past["since"] > 0, x, np.maximum(x, day * s.half_life_fast_s / s.half_life_day_s))
    x = x * _rhythm(table, rows, state)
    f = alerting.bunching(state["engaged"], fast, state["made"], s)
    known = age >= alerting.KNOWN_AFTER * s.half_life_fast_s
    return Judged(np.where(known, alerting.surprise(fast, x, f), 0.0), fast, x)


def _rhythm(table: EntityRows, rows: Rows, state: NDArray[np.void]) -> Floats:
    s, part = table.settings, table.part[rows]
    numbers, place = distinct_numbers(part, int(part.max()) + 1)
    paces = [table.pace(p) for p in numbers.tolist()]
    fast, day, at, since = (np.array([getattr(p, name) for p in paces])[place] for name in ("fast", "day", "at", "since"))
    own = at - state["at"]  # without what it has itself
    fast = fast - state["fast"] * np.exp2(-own / s.half_life_fast_s)
    day = day - state["day"] * np.exp2(-own / s.half_life_day_s)
    return alerting.rhythm(fast, day, at - since, s)


def settle_surges(table: EntityRows) -> None:
    """Begin, go on with and end surges by what was noted since the last flush."""
    if not table.noted:
        return
    # Not by marking them in a column of the table, which may be far longer than what was touched.
    entries = joined([n.entries for n in table.noted])
    rows, place = np.unique(entries["row"], return_inverse=True)
    if not len(rows):
        return
    rising = judge(table, rows).z > alerting.CLEAR_Z
    for row in rows[~rising & table.surging[rows]].tolist():
        table.end_surge(row)
    if not rising.any():
        return
    beginning = rows[rising & ~table.surging[rows]]
    for row, version in _versions_before(table, beginning).items():
        table.begin_surge(row, Surge(version + 1))
    chosen = where_true(rising[place])
    kind, person, trusted = entries["kind"][chosen], entries["person"][chosen], entries["trust"][chosen] >= alerting.TRUSTED
    place = place[chosen]
    kinds = np.bincount(place * 4 + kind, minlength=4 * len(rows)).reshape(-1, 4)
    low = np.bincount(place[~trusted], minlength=len(rows))
    for i in where_true(rising).tolist():
        surge = table.surges[int(rows[i])]
        surge.likes += int(kinds[i, LIKE])
        surge.shares += int(kinds[i, SHARE])
        surge.replies += int(kinds[i, REPLY])
        surge.low_trust += int(low[i])
    # Few pass both: a surge that has its people takes no more.
    wanting = np.zeros(len(rows), dtype=bool)
    wanting[[i for i in where_true(rising).tolist() if len(table.surges[int(rows[i])].people) < MOST_PEOPLE]] = True
    few = where_true(trusted & wanting[place])
    for row, one in zip(rows[place[few]].tolist(), person[few].tolist(), strict=True):
        people = table.surges[row].people
        if len(people) < MOST_PEOPLE:
            people[one] = None


def _versions_before(table: EntityRows, rows: Rows) -> dict[int, int]:
    """Return the version of each row at the last flush, -1 of a new one."""
    versions: dict[int, int] = {}
    for noted in reversed(table.noted if len(rows) else []):  # of several the first holds how a row was before all of them
        mine = np.isin(noted.rows, rows)
        versions.update(zip(noted.rows[mine].tolist(), picked(noted.before, mine)["off"].tolist(), strict=True))
    return versions


@dataclass(frozen=True, slots=True)
class Found:
    """What a change event tells of a surge; `text` is JSON. `is_news` asks for a change event, which none has told yet."""

    text: str
    is_news: bool


def found_surges(table: EntityRows, rows: Rows, score: Floats) -> Mapping[int, Found]:
    """Return, by position in `rows`, the surges that are large enough and have enough people behind them."""
    at = where_true(table.surging[rows])
    if not len(at):
        return {}
    judged, by = judge(table, rows[at]), moved(picked(table.past, rows[at]), score[at]).tolist()
    columns = zip(at.tolist(), judged.z.tolist(), judged.counted.tolist(), judged.expected.tolist(), by, strict=True)
    found = {}
    for i, z, counted, expected, points in columns:
        surge = table.surges[int(rows[i])]
        if z > alerting.FIRE_Z and len(surge.people) >= alerting.LEAST_PEOPLE:
            text = (
                f'{{"began":{surge.began},"z":{z:.2f},"counted":{counted:.4f},"expected":{expected:.4f},'
                f'"people":{len(surge.people)},"likes":{surge.likes},"shares":{surge.shares},"replies":{surge.replies},'
                f'"low_trust":{surge.low_trust}}}'
            )
            found[i] = Found(text, not surge.told and points >= alerting.LEAST_POINTS)
    return found
