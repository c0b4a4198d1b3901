"""The engagements topic of one partition as columns, in offset order, without what was already applied."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streams.columns.hashing import hash_names
from streams.events.engagements import KIND_MASK, UNDO_BIT, decode
from streams.kafka.topics import beginning_offsets, read_topic
from streams.settings import Settings
from streams.verify.digests import Digests, hash_of

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass
class Log:
    """Engagements that count, one element each; `target` and `actor` are places in `names`."""

    first_offset: int  # the oldest retained; 0 when nothing was deleted
    end: int  # one more than the last record's offset
    names: list[bytes]
    hashes: NDArray[np.uint64]  # low 64 bits, by which a person is known
    digests: Digests  # of what it says of events
    offset: Ints
    target: Ints
    actor: Ints
    at: Floats
    weight: Floats
    standing: Floats
    kind: NDArray[np.uint8]
    undo: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.at)


def read_log(settings: Settings, partition: int, end: int) -> Log:
    """Read one partition below `end`, and drop the engagements of events that an earlier record brought."""
    topic = settings.engagements_topic
    first = beginning_offsets(settings, topic).get(partition, 0)
    records = read_topic(settings, topic, [partition], {partition: end})
    return log_of(((record.offset, record.value or b"") for record in records), first, end)


def log_of(records: Iterable[tuple[int, bytes]], first_offset: int, end: int) -> Log:
    """Return the log in records of (offset, value), in offset order."""
    numbers: dict[bytes, int] = {}
    highest: dict[tuple[str, int], int] = {}
    digests = Digests()
    parts: list[tuple[NDArray[np.generic], ...]] = []
    for offset, value in records:
        batch = decode(value)
        if not len(batch):
            continue
        source = (batch.source_topic, batch.source_partition)
        events = batch.base_offset + batch.e.astype(np.int64)
        fresh = np.flatnonzero(events > highest.get(source, -1))
        highest[source] = max(highest.get(source, -1), int(events.max()))
        place = np.array([numbers.setdefault(name, len(numbers)) for name in batch.names], dtype=np.int64)
        weight = np.ones(len(fresh))
        for factor in (batch.kind_weight, batch.trust, batch.budget, batch.repeat, batch.reciprocity):
            weight = weight * factor[fresh].astype(np.float64)
        flags = batch.flags[fresh] & np.uint8(KIND_MASK | UNDO_BIT)
        hashes = np.array([hash_of(name) for name in batch.names], dtype=np.uint64)
        digests.add_all(source, events[fresh], hashes[batch.actor[fresh]], flags, batch.at[fresh])
        parts.append(
            (
                np.full(len(fresh), offset, dtype=np.int64), place[batch.target[fresh]], place[batch.actor[fresh]],
                batch.at[fresh], weight, batch.standing[fresh].astype(np.float64), flags & KIND_MASK, (flags & UNDO_BIT) > 0,
            )
        )  # fmt: skip
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)] if parts else _nothing()
    names = list(numbers)
    return Log(first_offset, end, names, hash_names(names)[0], digests, *columns)


def _nothing() -> list[NDArray[np.generic]]:
    return [np.zeros(0, dtype=kind) for kind in ("i8", "i8", "i8", "f8", "f8", "f8", "u1", "?")]
