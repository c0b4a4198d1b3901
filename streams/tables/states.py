"""The state of one partition of each table, as the Faust store recovers it and the agents use it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streams.columns.hashing import hash_names
from streams.events.engagements import Engagements
from streams.settings import Settings
from streams.tables import actor_codec
from streams.tables.actor_rows import ActorRows
from streams.tables.entity_codec import MARKER_KEY, Marker
from streams.tables.entity_load import load_rows
from streams.tables.entity_rows import EntityRows
from streams.tables.fold import fold


class EntityState:
    """Entities of one partition, and records that are to be folded next."""

    def __init__(self, settings: Settings, partition: int) -> None:
        self.partition = partition
        self.table = EntityRows(settings)
        self._records: list[Engagements] = []
        self._offsets: list[int] = []
        self.waiting_engagements = 0

    @property
    def next_offset(self) -> int:
        """The engagements offset that comes next; what is below is folded or waits."""
        return (self._offsets[-1] if self._offsets else self.table.folded) + 1

    def put(self, offset: int, record: Engagements) -> None:
        """Have a record at or after `next_offset` folded next."""
        self._records.append(record)
        self._offsets.append(offset)
        self.waiting_engagements += len(record)

    def fold(self) -> None:
        """Fold what waits, together: an entity named by several records is looked up and merged once."""
        records, offsets = self._records, self._offsets
        self._records, self._offsets, self.waiting_engagements = [], [], 0
        if records:
            fold(self.table, records, offsets)

    def load(self, keys: Sequence[bytes], values: Sequence[bytes | None]) -> None:
        """Apply changelog records; rows whose last record is stale become dirty, to be written again."""
        rows: dict[bytes, list[bytes]] = {}
        removed: list[bytes] = []
        plain = MARKER_KEY not in keys and None not in values
        if plain:
            self._load_rows(keys, values)  # type: ignore[arg-type]  # no None among them
            return
        for key, value in zip(keys, values, strict=True):
            if key == MARKER_KEY:
                if value is not None:
                    self._load_marker(Marker.decode(value))
            elif value is None:
                rows.pop(key, None)
                removed.append(key)
            else:
                rows.setdefault(key, []).append(value)
        if removed:
            found = self.table.find(*hash_names(removed))
            self.table.remove(np.unique(found[found >= 0]))
        if rows:
            self._load_rows([k for k, vs in rows.items() for _ in vs], [v for vs in rows.values() for v in vs])

    def _load_rows(self, keys: Sequence[bytes], values: Sequence[bytes]) -> None:
        self.table.dirty[load_rows(self.table, keys, values)] = True

    def load_foreign(self, keys: Sequence[bytes], values: Sequence[bytes | None]) -> None:
        """Apply records that another worker wrote between ours, and have all their rows written again."""
        self.load(keys, values)
        names = [key for key in dict.fromkeys(keys) if key != MARKER_KEY]
        found = self.table.find(*hash_names(names))
        self.table.dirty[found[found >= 0]] = True

    def _load_marker(self, marker: Marker) -> None:
        if marker.folded >= self.table.folded:
            self.table.folded = marker.folded
            self.table.watermark = max(self.table.watermark, marker.watermark)
        for source, offset in marker.applied.items():
            self.table.applied[source] = max(offset, self.table.applied.get(source, -1))


class ActorState:
    """Actors of one partition."""

    def __init__(self, partition: int) -> None:
        self.partition = partition
        self.table = ActorRows()

    def load(self, keys: Sequence[bytes], values: Sequence[bytes | None]) -> None:
        """Apply changelog records."""
        actor_codec.load(self.table, keys, values)

    def load_foreign(self, keys: Sequence[bytes], values: Sequence[bytes | None]) -> None:
        """Have the rows that another worker wrote between ours written again; ours are kept, its ids are added."""
        rows = [key for key in dict.fromkeys(keys) if not key.startswith(b"\x00")]
        found = self.table.find(*hash_names(rows))
        self.table.dirty[found[found >= 0]] = True
        unknown = {key for key, row in zip(rows, found.tolist(), strict=True) if row < 0}
        other = [(k, v) for k, v in zip(keys, values, strict=True) if k in unknown or k.startswith(actor_codec.IDS_KEY)]
        self.load([k for k, _ in other], [v for _, v in other])
