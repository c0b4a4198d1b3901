"""Cutting a record of engagements that is too large for the broker: between events, never inside one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from streams.events.engagements import FACTORS, Engagements

_ENGAGEMENT_BYTES = 45
_NAME_BYTES = 18


def size_bytes(record: Engagements) -> int:
    """Return about how long the encoded record is."""
    return len(record) * _ENGAGEMENT_BYTES + int(record.names.length.sum()) + len(record.names) * _NAME_BYTES


def split(record: Engagements, limit_bytes: int) -> Iterator[Engagements]:
    """Yield the record, or parts of it in order, each at most `limit_bytes` unless it is one event."""
    if size_bytes(record) <= limit_bytes or record.e[0] == record.e[-1]:
        yield record
        return
    middle = int(np.searchsorted(record.e, record.e[len(record) // 2]))
    if middle == 0:
        middle = int(np.searchsorted(record.e, record.e[0], side="right"))
    yield from split(_part(record, 0, middle), limit_bytes)
    yield from split(_part(record, middle, len(record)), limit_bytes)


def _part(record: Engagements, first: int, last: int) -> Engagements:
    used, place = np.unique(np.concatenate([record.target[first:last], record.actor[first:last]]), return_inverse=True)
    n = last - first
    return replace(
        record,
        at=record.at[first:last],
        e=record.e[first:last],
        target=place[:n].astype(np.uint32),
        actor=place[n:].astype(np.uint32),
        flags=record.flags[first:last],
        lo=record.lo[used],
        hi=record.hi[used],
        names=record.names.pick(used),
        **{name: getattr(record, name)[first:last] for name in (*FACTORS, "standing")},
    )


def in_batches(records: Sequence[Engagements], limit_bytes: int) -> Iterator[list[Engagements]]:
    """Yield records in order, as many together as stay within `limit_bytes`; at least one."""
    batch: list[Engagements] = []
    held = 0
    for record in records:
        size = size_bytes(record)
        if batch and held + size > limit_bytes:
            yield batch
            batch, held = [], 0
        batch.append(record)
        held += size
    if batch:
        yield batch
