"""The entities changelog: one record per row, keyed by entity name, and one marker per partition.

Row value, little-endian:

    version u8, form u8 (0 exact, 1 sketch), people u8, causes u8
    ROW
    exact: PERSON[people]; sketch: SKETCH
    for each cause: weight f64, kind u8, length u16, the actor's entity name

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

VERSION = 1
_PREFIX = struct.Struct("<BBBB")
_HEAD = np.dtype([("version", "u1"), ("form", "u1"), ("people", "u1"), ("causes", "u1"), ("row", ROW)])
_CAUSE = struct.Struct("<dBH")


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
    return values


@dataclass(slots=True)
class DecodedRows:
    """Rows of one decoded batch: columns, people concatenated in order, sketches of those that have one, causes."""

    rows: NDArray[np.void]
    people: NDArray[np.void]
    people_counts: Rows
    sketches: NDArray[np.void]
    sketched: NDArray[np.bool_]
    causes: list[list[tuple[float, int, bytes]]]


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
    start = _PREFIX.size
    body = start + ROW.itemsize
    for value in values:
        version, form, count, pending = _PREFIX.unpack_from(value)
        if version != VERSION:
            raise ValueError(f"entity row of version {version}; expected {VERSION}: a newer release wrote this changelog")
        end = body + (SKETCH.itemsize if form else count * PERSON.itemsize)
        fixed.append(value[start:body])
        (sketches if form else people).append(value[body:end])
        counts.append(count)
        sketched.append(bool(form))
        causes.append(_causes(value, end, pending) if pending else [])
    return DecodedRows(
        np.frombuffer(b"".join(fixed), ROW),
        np.frombuffer(b"".join(people), PERSON),
        np.array(counts, dtype=np.int64),
        np.frombuffer(b"".join(sketches), SKETCH),
        np.array(sketched, dtype=bool),
        causes,
    )


def _causes(value: bytes, position: int, pending: int) -> list[tuple[float, int, bytes]]:
    causes = []
    for _ in range(pending):
        weight, kind, length = _CAUSE.unpack_from(value, position)
        position += _CAUSE.size
        causes.append((weight, kind, value[position : position + length]))
        position += length
    return causes
