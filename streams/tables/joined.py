"""Engagements of several records, of each partition in log order, as one batch to fold.

A range fetched while draining holds many records that name the same entities; joined, each entity is looked up and merged once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streams.columns.grouping import distinct_hashes
from streams.columns.hashing import Hashes
from streams.columns.index import Rows
from streams.columns.texts import Texts
from streams.events.engagements import FACTORS, KIND_MASK, UNDO_BIT, Engagements
from streams.tables.marker import Marker


@dataclass(slots=True)
class Joined:
    """Columns of n engagements and m names."""

    offset: NDArray[np.int64]  # of the record each engagement is in
    part: NDArray[np.int64]  # its partition
    fresh: NDArray[np.bool_]  # whether its event was not applied before
    at: NDArray[np.float64]
    weight: NDArray[np.float64]
    standing: NDArray[np.float64]
    kind_weight: NDArray[np.float32]
    trust: NDArray[np.float32]
    budget: NDArray[np.float32]
    repeat: NDArray[np.float32]
    reciprocity: NDArray[np.float32]
    kind: NDArray[np.uint8]
    undo: NDArray[np.bool_]
    target: Rows  # index into the names
    actor: Rows
    lo: Hashes
    hi: Hashes
    names: Texts


def join(records: Sequence[Engagements], offsets: Sequence[int], parts: Sequence[int], logs: Sequence[Marker]) -> Joined:
    """Join records, of each partition in log order; raises H of `design.md` 3 in their partitions' `logs` by what they hold."""
    fresh = []
    for record, log in zip(records, logs, strict=True):
        source, applied = (record.source_topic, record.source_partition), log.applied
        event_offsets = record.offsets
        fresh.append(event_offsets > applied.get(source, -1))
        if len(event_offsets):
            applied[source] = max(applied.get(source, -1), int(event_offsets.max()))
    flags = np.concatenate([r.flags for r in records])
    lo, hi, names = records[0].lo, records[0].hi, records[0].names
    target, actor = records[0].target.astype(np.int64), records[0].actor.astype(np.int64)
    if len(records) > 1:
        lo, hi = np.concatenate([r.lo for r in records]), np.concatenate([r.hi for r in records])
        kept, place = distinct_hashes(lo, hi)
        starts = np.cumsum([0, *(len(r.lo) for r in records[:-1])])
        target = place[np.concatenate([r.target + s for r, s in zip(records, starts, strict=True)])]
        actor = place[np.concatenate([r.actor + s for r, s in zip(records, starts, strict=True)])]
        lo, hi = lo[kept], hi[kept]
        names = Texts.concatenated([r.names for r in records]).pick(kept)
    lengths = [len(r) for r in records]
    return Joined(
        offset=np.array(offsets, dtype=np.int64).repeat(lengths),
        part=np.array(parts, dtype=np.int64).repeat(lengths),
        fresh=np.concatenate(fresh),
        at=np.concatenate([r.at for r in records]),
        weight=np.concatenate([r.weight for r in records]),
        standing=np.concatenate([r.standing for r in records]).astype(np.float64),
        **{factor: np.concatenate([getattr(r, factor) for r in records]) for factor in FACTORS},
        kind=(flags & KIND_MASK).astype(np.uint8),
        undo=(flags & UNDO_BIT) > 0,
        target=target,
        actor=actor,
        lo=lo,
        hi=hi,
        names=names,
    )
