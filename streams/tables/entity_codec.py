"""The entities changelog: one record per row, keyed by entity name, and one marker per partition.

Row value, little-endian:

    version u8, form u8 (0 exact, 1 sketch), people u8, causes u8
    ROW
    exact: PERSON[people]; sketch: SKETCH
    for each cause: weight f64, kind u8, length u16, the actor's entity name
    PAST
    if there is one: the surge, to the end

What follows the causes is younger than version 1. A release that doesn't know it reads the row as if it weren't there, and a row
without it is one that such a release wrote; so workers of both may take over from each other.

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
from streams.tables.entity_rows import PERSON, ROW, SKETCH, EntityRows
from streams.tables.past import PAST
from streams.tables.surges import Surge

VERSION = 1
_PREFIX = struct.Struct("<BBBB")
_HEAD = np.dtype([("version", "u1"), ("form", "u1"), ("people", "u1"), ("causes", "u1"), ("row", ROW)])
_CAUSE = struct.Struct("<dBH")
_NO_PAST = bytes(PAST.itemsize)


def encode_rows(table: EntityRows, rows: Rows) -> list[bytes]:
    """Return the changelog value of each row."""
    counts = table.people.count[rows].astype(np.int64)
    places = table.sketch_of[rows]
    sketched = places > 0
    pending = [table.causes.get(row, ()) for row in rows.tolist()] if table.causes else [()] * len(rows)
    head = np.empty(len(rows), dtype=_HEAD)
    head["version"], head["form"], head["people"] = VERSION, sketched, counts
    head["causes"] = [len(p) for p in pending]
    head["row"] = table.rows[rows]
    sketches = table.sketches[places[sketched] - 1]
    values = laid_out(head, [(table.people.gather(rows)[0], counts), (sketches, sketched.astype(np.int64))])
    for i in where_true(head["causes"] > 0).tolist():
        values[i] += b"".join(_CAUSE.pack(weight, kind, len(actor)) + actor for weight, kind, actor in pending[i])
    past, size = table.past[rows].tobytes(), PAST.itemsize
    values = [value + past[i * size : (i + 1) * size] for i, value in enumerate(values)]
    for i in where_true(table.surging[rows]).tolist():
        values[i] += table.surges[int(rows[i])].encode()
    return values


@dataclass(slots=True)
class DecodedRows:
    """Rows of one decoded batch: columns, people concatenated in order, sketches of those that have one, causes, surges."""

    rows: NDArray[np.void]
    people: NDArray[np.void]
    people_counts: Rows
    sketches: NDArray[np.void]
    sketched: NDArray[np.bool_]
    causes: list[list[tuple[float, int, bytes]]]
    past: NDArray[np.void]
    surges: dict[int, Surge]  # by place in the batch


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
    causes: list[list[tuple[float, int, bytes]]] = []
    past: list[bytes] = []
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
        told, end = _causes(value, end, pending) if pending else ([], end)
        causes.append(told)
        past.append(value[end : end + PAST.itemsize] or _NO_PAST)
        if len(value) > end + PAST.itemsize:
            surges[i] = Surge.decode(value[end + PAST.itemsize :])
    return DecodedRows(
        np.frombuffer(b"".join(fixed), ROW),
        np.frombuffer(b"".join(people), PERSON),
        np.array(counts, dtype=np.int64),
        np.frombuffer(b"".join(sketches), SKETCH),
        np.array(sketched, dtype=bool),
        causes,
        np.frombuffer(b"".join(past), PAST),
        surges,
    )


def _causes(value: bytes, position: int, pending: int) -> tuple[list[tuple[float, int, bytes]], int]:
    """Return the causes that begin at `position`, and where they end."""
    causes = []
    for _ in range(pending):
        weight, kind, length = _CAUSE.unpack_from(value, position)
        position += _CAUSE.size
        causes.append((weight, kind, value[position : position + length]))
        position += length
    return causes, position
