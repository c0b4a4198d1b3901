"""The entities changelog: one record per row, keyed by entity name, and one marker per partition.

Row value, little-endian:

    version u8, form u8 (0 exact, 1 sketch), people u8, actors u8
    ROW
    exact: PERSON[people]; sketch: SKETCH
    for each actor of the open ledger: what they added to E f64, kind u8, length u16, the actor's entity name
    PAST
    if there is an open ledger, or a score told as something else: -1 i64, that score f32, ledger u8
        if there is a ledger: HEAD, GROUP[actors]
    if there is one: the surge, to the end

What follows the actors is younger than version 1. A release that doesn't know it reads the row as if it weren't there, and a row
without it is one that such a release wrote; so workers of both may take over from each other. A surge begins with an offset,
which is never -1: so one is told from what was put before it since.

`marker` has the one other record.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streams.columns.grouping import where_true
from streams.columns.index import Rows
from streams.columns.pool import laid_out
from streams.columns.records import picked, put
from streams.tables.entity_rows import PERSON, ROW, SKETCH, EntityRows
from streams.tables.ledger import GROUP, HEAD, Open, told_of
from streams.tables.past import PAST
from streams.tables.surges import Surge

VERSION = 1
_PREFIX = struct.Struct("<BBBB")
_HEAD = np.dtype([("version", "u1"), ("form", "u1"), ("people", "u1"), ("actors", "u1"), ("row", ROW)])
_ACTOR = struct.Struct("<dBH")
_MORE = struct.Struct("<qfB")
_MORE_BEGINS = (-1).to_bytes(8, "little", signed=True)
_NO_PAST = bytes(PAST.itemsize)


def encode_rows(table: EntityRows, rows: Rows) -> list[bytes]:
    """Return the changelog value of each row."""
    counts = table.people.count[rows].astype(np.int64)
    places = table.sketch_of[rows]
    sketched = places > 0
    held = [table.open.get(row) for row in rows.tolist()] if table.open else [None] * len(rows)
    head = np.empty(len(rows), dtype=_HEAD)
    head["version"], head["form"], head["people"] = VERSION, sketched, counts
    head["actors"] = [0 if open is None else len(open.actors) for open in held]
    put(head["row"], slice(None), picked(table.rows, rows))
    sketches = picked(table.sketches, places[sketched] - 1)
    values = laid_out(head, [(table.people.gather(rows)[0], counts), (sketches, sketched.astype(np.int64))])
    for i in where_true(head["actors"] > 0).tolist():
        values[i] += _actors(held[i])
    past, size = picked(table.past, rows).tobytes(), PAST.itemsize
    values = [value + past[i * size : (i + 1) * size] for i, value in enumerate(values)]
    told_as = table.told_as[rows]
    for i in where_true((told_as > 0) | np.array([open is not None for open in held])).tolist():
        open = held[i]
        values[i] += _MORE.pack(-1, told_as[i], open is not None) + (b"" if open is None else open.head + open.groups)
    for i in where_true(table.surging[rows]).tolist():
        values[i] += table.surges[int(rows[i])].encode()
    return values


def _actors(open: Open | None) -> bytes:
    assert open is not None  # it has actors
    groups = np.frombuffer(open.groups, GROUP)
    parts = zip(groups["engaged"].tolist(), groups["kind"].tolist(), open.actors, strict=True)
    return b"".join(_ACTOR.pack(engaged, kind, len(actor)) + actor for engaged, kind, actor in parts)


@dataclass(slots=True)
class DecodedRows:
    """Rows of one decoded batch: columns, people concatenated in order, sketches of those that have one.

    Ledgers and surges, which few have, are by place in the batch.
    """

    rows: NDArray[np.void]
    people: NDArray[np.void]
    people_counts: Rows
    sketches: NDArray[np.void]
    sketched: NDArray[np.bool_]
    past: NDArray[np.void]
    told_as: NDArray[np.float32]
    open: dict[int, Open]
    surges: dict[int, Surge]


def decode_rows(values: Sequence[bytes]) -> DecodedRows:
    """Return the rows in changelog values.

    Raises:
        ValueError: a value is of another version.
    """
    fixed: list[bytes] = []
    people: list[bytes] = []
    sketches: list[bytes] = []
    counts: list[int] = []
    sketched: list[bool] = []
    past: list[bytes] = []
    told_as = np.zeros(len(values), dtype=np.float32)
    open: dict[int, Open] = {}
    surges: dict[int, Surge] = {}
    start = _PREFIX.size
    body = start + ROW.itemsize
    for i, value in enumerate(values):
        version, form, count, pending = _PREFIX.unpack_from(value)
        if version != VERSION:
            raise ValueError(f"entity row of version {version}; expected {VERSION}: a newer release wrote this changelog")
        end = body + (SKETCH.itemsize if form else count * PERSON.itemsize)
        fixed.append(value[start:body])
        (sketches if form else people).append(value[body:end])
        counts.append(count)
        sketched.append(bool(form))
        actors, end = _actors_at(value, end, pending) if pending else ([], end)
        past.append(value[end : end + PAST.itemsize] or _NO_PAST)
        end += PAST.itemsize
        if value.startswith(_MORE_BEGINS, end):
            _, told_as[i], has_ledger = _MORE.unpack_from(value, end)
            end += _MORE.size
            if has_ledger:
                groups = end + HEAD.itemsize
                open[i] = Open(value[end:groups], value[groups : groups + pending * GROUP.itemsize], actors)
                end = groups + pending * GROUP.itemsize
        elif pending:
            open[i] = _lost(np.frombuffer(fixed[-1], ROW))
        if len(value) > end:
            surges[i] = Surge.decode(value[end:])
    return DecodedRows(
        np.frombuffer(b"".join(fixed), ROW),
        np.frombuffer(b"".join(people), PERSON),
        np.array(counts, dtype=np.int64),
        np.frombuffer(b"".join(sketches), SKETCH),
        np.array(sketched, dtype=bool),
        np.frombuffer(b"".join(past), PAST),
        told_as,
        open,
        surges,
    )


def _actors_at(value: bytes, position: int, count: int) -> tuple[list[bytes], int]:
    """Return the actors that begin at `position`, and where they end."""
    actors = []
    for _ in range(count):
        _, _, length = _ACTOR.unpack_from(value, position)
        position += _ACTOR.size
        actors.append(value[position : position + length])
        position += length
    return actors, position


def _lost(row: NDArray[np.void]) -> Open:
    """Return the ledger of a row that an earlier release touched without telling of it: why it moved so far isn't known."""
    head = np.zeros(1, dtype=HEAD)
    head["told"], head["as_of"], head["lost"] = told_of(row), row["at"], True
    return Open(head.tobytes())
