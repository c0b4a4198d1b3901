"""The entities table as its changelog has it: of each key the record with the highest `off`, unless a tombstone came after it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from streams.kafka.reading import Record
from streams.kafka.topics import read_topic
from streams.settings import Settings
from streams.tables.entity_codec import decode_rows
from streams.tables.entity_rows import ROW
from streams.tables.marker import MARKER_KEY, Marker

_AT_ONCE = 5000


@dataclass
class Table:
    """Rows of one partition by entity name; `expired` had a row and then a tombstone; `folded` is the marker's O."""

    names: list[bytes] = field(default_factory=list)
    rows: NDArray[np.void] = field(default_factory=lambda: np.zeros(0, dtype=ROW))
    sketched: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=bool))
    expired: set[bytes] = field(default_factory=set)
    folded: int = -1


class _Latest:
    """Values by key while the changelog is read: (off, value), value None after a tombstone."""

    def __init__(self) -> None:
        self.values: dict[bytes, tuple[int, bytes | None]] = {}
        self.folded = -1
        self._waiting: list[tuple[bytes, bytes]] = []

    def take(self, key: bytes, value: bytes | None) -> None:
        if key == MARKER_KEY:
            if value is not None:
                self.folded = max(self.folded, Marker.decode(value).folded)
            return
        if key.startswith(b"\x00"):
            return  # no row: the people of a campaign
        if value is not None:
            self._waiting.append((key, value))
            if len(self._waiting) >= _AT_ONCE:
                self.settle()
            return
        self.settle()
        self.values[key] = (self.values.get(key, (-1, None))[0], None)

    def settle(self) -> None:
        offs = decode_rows([value for _, value in self._waiting]).rows["off"].tolist()
        for (key, value), off in zip(self._waiting, offs, strict=True):
            before, held = self.values.get(key, (-1, None))
            # A row written again at the same offset is newer; but after a tombstone only a row that folded more is a new one.
            if off > before or (off == before and held is not None):
                self.values[key] = (off, value)
        self._waiting.clear()


def read_tables(settings: Settings) -> dict[int, Table]:
    """Return the table of each partition, as durable now."""
    return tables_of(read_topic(settings, settings.entities_changelog), settings.partitions)


def tables_of(records: Iterable[Record], partitions: int) -> dict[int, Table]:
    """Return the table of each partition in records of its changelog, those of a partition in offset order."""
    latest = {p: _Latest() for p in range(partitions)}
    for record in records:
        if record.key is not None:
            latest[record.partition].take(record.key, record.value)
    tables = {}
    for partition, found in latest.items():
        found.settle()
        live = {key: value for key, (_, value) in found.values.items() if value is not None}
        decoded = decode_rows(list(live.values()))
        tables[partition] = Table(list(live), decoded.rows, decoded.sketched, set(found.values) - set(live), found.folded)
    return tables
