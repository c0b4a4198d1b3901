"""One partition's share of each table, as the Faust store recovers it and the agents use it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from streams.columns.hashing import hash_names
from streams.events.engagements import Engagements
from streams.tables import actor_codec
from streams.tables.actor_rows import ActorRows
from streams.tables.entity_load import load_rows
from streams.tables.entity_rows import EntityRows
from streams.tables.fold import fold
from streams.tables.marker import MARKER_KEY, Marker
from streams.tables.people import PEOPLE_KEY, People


class EntityState:
    """Entities of one partition in a table of several, and records that are to be folded next."""

    def __init__(self, table: EntityRows, partition: int) -> None:
        self.table, self.partition = table, partition
        self._records: list[Engagements] = []
        self._offsets: list[int] = []
        self.waiting_engagements = 0
        self.people = People()
        # Loads of rows that this process didn't write, and after how many of them the changes that those say were told.
        self.loads = self.told_loads = 0

    @property
    def log(self) -> Marker:
        """How far the partition is folded."""
        return self.table.log(self.partition)

    @property
    def next_offset(self) -> int:
        """The engagements offset that comes next; what is below is folded or waits."""
        return (self._offsets[-1] if self._offsets else self.log.folded) + 1

    @property
    def is_told(self) -> bool:
        """Whether anything may be folded into the rows: not into those that may say a change which no score says."""
        return self.told_loads == self.loads

    def put(self, offset: int, record: Engagements) -> None:
        """Have a record at or after `next_offset` folded next."""
        self._records.append(record)
        self._offsets.append(offset)
        self.waiting_engagements += len(record)
        self.people.take(record)  # at once, not when it is folded: a set may hold more than the marker says, never less

    def take(self) -> tuple[list[Engagements], list[int]]:
        """Return and forget the records that wait, and their offsets."""
        records, offsets = self._records, self._offsets
        self._records, self._offsets, self.waiting_engagements = [], [], 0
        return records, offsets

    def drop(self) -> None:
        """Forget the partition: another worker has it now."""
        self.take()
        self.people = People()
        self.table.drop(self.partition)

    def load(self, keys: Sequence[bytes], values: Sequence[bytes | None]) -> None:
        """Apply changelog records; rows whose last record is stale become dirty, to be written again.

        Raises:
            ConfigurationError: they were written by other half-lives.
            ValueError: a newer release wrote them.
        """
        self.loads += 1
        rows: dict[bytes, list[bytes]] = {}
        removed: list[bytes] = []
        plain = None not in values and not any(key.startswith(b"\x00") for key in keys)
        if plain:
            self._load_rows(keys, values)  # type: ignore[arg-type]  # no None among them
            return
        for key, value in zip(keys, values, strict=True):
            if key == MARKER_KEY:
                if value is not None:
                    self._load_marker(Marker.decode(value))
            elif key.startswith(PEOPLE_KEY):
                if value is not None:
                    self.people.load([(key, value)])
            elif value is None:
                rows.pop(key, None)
                removed.append(key)
            else:
                rows.setdefault(key, []).append(value)
        if removed:
            found = self.table.find(*hash_names(removed), self.partition)
            self.table.remove(np.unique(found[found >= 0]))
        if rows:
            self._load_rows([k for k, vs in rows.items() for _ in vs], [v for vs in rows.values() for v in vs])

    def _load_rows(self, keys: Sequence[bytes], values: Sequence[bytes]) -> None:
        self.table.dirty[load_rows(self.table, keys, values, self.partition)] = True

    def load_foreign(self, keys: Sequence[bytes], values: Sequence[bytes | None]) -> None:
        """Apply records that another worker wrote between ours, and have all their rows written again.

        But for tombstones of what has a row here: that is newer, or the tombstone's own worker would still own the partition.
        """
        held = dict(zip(keys, (self.table.find(*hash_names(keys), self.partition) >= 0).tolist(), strict=True))
        kept = [(key, value) for key, value in zip(keys, values, strict=True) if value is not None or not held[key]]
        self.load([key for key, _ in kept], [value for _, value in kept])
        self.people.write_again(key for key in keys if key.startswith(PEOPLE_KEY))
        self.write_again([key for key in dict.fromkeys(keys) if not key.startswith(b"\x00")])

    def write_again(self, names: Sequence[bytes]) -> None:
        """Have the rows of entities and their scores written again, as far as there are rows."""
        found = self.table.find(*hash_names(names), self.partition)
        self.table.dirty[found[found >= 0]] = True

    def _load_marker(self, marker: Marker) -> None:
        log = self.log
        self.table.half_lives.check(marker.half_lives)
        if marker.folded >= log.folded:
            log.folded = marker.folded
            log.watermark = max(log.watermark, marker.watermark)
        for source, offset in marker.applied.items():
            log.applied[source] = max(offset, log.applied.get(source, -1))


def fold_waiting(states: Iterable[EntityState]) -> None:
    """Fold what waits in partitions of one table, together: an entity named by several records is looked up and merged once."""
    records: list[Engagements] = []
    offsets: list[int] = []
    parts: list[int] = []
    for state in states:
        table = state.table
        mine, at = state.take()
        records += mine
        offsets += at
        parts += [state.partition] * len(mine)
    if records:
        fold(table, records, offsets, parts)


class ActorState:
    """Actors of one partition in a table of several."""

    def __init__(self, table: ActorRows, partition: int) -> None:
        self.table, self.partition = table, partition

    def drop(self) -> None:
        """Forget the partition: another worker has it now."""
        self.table.drop(self.partition)

    def load(self, keys: Sequence[bytes], values: Sequence[bytes | None]) -> None:
        """Apply changelog records."""
        actor_codec.load(self.table, keys, values, self.partition)

    def load_foreign(self, keys: Sequence[bytes], values: Sequence[bytes | None]) -> None:
        """Have the rows that another worker wrote between ours written again: of each the one that is taken furthest.

        Ours is kept where its says nothing of that, or is a tombstone. Its ids are added.
        """
        rows = [key for key in dict.fromkeys(keys) if not key.startswith(b"\x00")]
        found = self.table.find(*hash_names(rows), self.partition)
        self.table.dirty[found[found >= 0]] = True
        unknown = {key for key, row in zip(rows, found.tolist(), strict=True) if row < 0}
        ids = [(k, v) for k, v in zip(keys, values, strict=True) if v is not None and k.startswith(actor_codec.IDS_KEY)]
        other = [
            (k, v)
            for k, v in zip(keys, values, strict=True)
            if k in unknown
            or k == actor_codec.MARKER_KEY
            or (not k.startswith(b"\x00") and v is not None and actor_codec.says_taken(v))
        ]
        self.load([k for k, _ in other + ids], [v for _, v in other + ids])
        for key, value in ids:
            topic, slot = actor_codec.block_of(key)
            # Not only if it is stale: what we wrote after it may be older.
            self.table.inputs(self.partition).source(topic).duplicates.write_again({slot: value})
