"""What a partition has to write to Redis: of each entity the newest score, with the change since what was last written."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

from streams.redis import published
from streams.tables.score_records import ScoreRecord, merged

SLICE = 5000  # entities that are written at a time: 15 ms to make their entries, a tenth of a second of the server's time


@dataclass
class Pending:
    """Entity -> newest (offset, record), and the next scores offset after them."""

    records: dict[bytes, tuple[int, ScoreRecord | None]] = field(default_factory=dict)
    next_offset: int = 0
    written: int = 0

    def add(self, key: bytes, offset: int, record: ScoreRecord | None) -> None:
        """Keep the newest record of an entity, None when it expired; a change event that an older one carried rides on.

        Newest by version: at a later offset a worker that lost the partition may have told what was before.
        """
        held = self.records.get(key)
        if held is not None:
            older, newer = held[1], record
            if older is None or newer is None:
                if held[0] > offset:
                    newer = older
            else:
                if (older.version, held[0]) > (newer.version, offset):
                    older, newer = newer, older
                newer = merged(older, newer)
            offset, record = max(held[0], offset), newer
        self.records[key] = (offset, record)

    def take(self) -> list[tuple[bytes, int, ScoreRecord | None]]:
        """Return and forget what waits, in the order of the scores topic."""
        records, self.records = self.records, {}
        return sorted(((key, offset, record) for key, (offset, record) in records.items()), key=itemgetter(1))


def entries(records: Iterable[tuple[bytes, int, ScoreRecord | None]], now_s: float) -> tuple[list[list[Any]], list[float]]:
    """Return what the script takes, and the event times of entities that live."""
    items, times = [], []
    for key, offset, record in records:
        if record is None:
            items.append(published.expired(key.decode()))
        else:
            items.append(item := published.entry(record, offset, now_s))
            times.append(published.event_time_s(item))
    return items, times
