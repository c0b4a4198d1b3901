"""From weighed events to packed records: which entities each event is for, one record per target partition."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streams.columns.hashing import hash_names
from streams.columns.index import Rows
from streams.columns.placement import partitions_of
from streams.entities import topic
from streams.events.decode import Events
from streams.events.engagements import UNDO_BIT, Engagements
from streams.intake.named import Accounts
from streams.intake.weigh import Factors
from streams.settings import Settings


class _Targets:
    """Entities of a batch beyond its accounts; numbered after them."""

    def __init__(self, accounts: Accounts, settings: Settings) -> None:
        self.names = list(accounts.names)
        self._accounts = accounts
        self._partitions = settings.partitions
        self._known: dict[bytes, int] = {}
        self._keys: list[bytes] = []

    def number(self, name: bytes) -> int:
        """Return the number of an entity that isn't a plain account."""
        found = self._known.get(name)
        if found is None:
            found = self._known[name] = len(self.names)
            self.names.append(name)
        return found

    def columns(self, owner: dict[int, int]) -> tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.int64]]:
        """Return lo, hi and partition of all entities; `owner` maps scoped accounts to their account."""
        a = self._accounts
        if not self._known:
            return a.lo, a.hi, a.partition
        extra = self.names[len(a.names) :]
        lo, hi = hash_names(extra)
        partition = partitions_of(extra, self._partitions)
        for number, account in owner.items():
            partition[number - len(a.names)] = a.partition[account]
        return np.concatenate([a.lo, lo]), np.concatenate([a.hi, hi]), np.concatenate([a.partition, partition])


def fan_out(
    source_topic: str, source_partition: int, offsets: NDArray[np.int64], events: Events, at: NDArray[np.float64],
    accounts: Accounts, factors: Factors, settings: Settings,
) -> dict[int, Engagements]:  # fmt: skip
    """Return the engagements of accepted events by target partition. All of one event for one partition stay together."""
    event, target, names, lo, hi, partition = _pairs(events, accounts, settings)
    flags = events.kind | np.where(events.undo, UNDO_BIT, 0).astype(np.uint8)
    records = {}
    where = partition[target]
    order = np.argsort(where, kind="stable")
    bounds = np.searchsorted(where[order], np.arange(settings.partitions + 1))
    for p in range(settings.partitions):
        mine = order[bounds[p] : bounds[p + 1]]
        if not len(mine):
            continue
        e, t = event[mine], target[mine]
        distinct, place = np.unique(np.concatenate([t, accounts.actor[e]]), return_inverse=True)
        base = int(offsets[e[0]])
        f32 = {f: getattr(factors, f)[e].astype(np.float32) for f in Factors.__slots__}
        records[p] = Engagements(
            source_topic=source_topic,
            source_partition=source_partition,
            base_offset=base,
            at=at[e],
            e=(offsets[e] - base).astype(np.uint32),
            target=place[: len(mine)].astype(np.uint32),
            actor=place[len(mine) :].astype(np.uint32),
            **f32,
            flags=flags[e],
            lo=lo[distinct],
            hi=hi[distinct],
            names=[names[i] for i in distinct.tolist()],
        )
    return records


def _pairs(
    events: Events, accounts: Accounts, settings: Settings
) -> tuple[Rows, Rows, list[bytes], NDArray[np.uint64], NDArray[np.uint64], NDArray[np.int64]]:
    """Return (event, target) pairs in event order, and name, hash and partition of every target."""
    n = len(events.kind)
    tagged = [i for i, tags in enumerate(events.tags) if tags] if settings.topics_enabled and settings.max_tags else []
    if not tagged:
        return np.arange(n), accounts.author, accounts.names, accounts.lo, accounts.hi, accounts.partition
    targets = _Targets(accounts, settings)
    owner: dict[int, int] = {}
    event, target = list(range(n)), accounts.author.tolist()
    for i in tagged:
        author = int(accounts.author[i])
        for tag in list(dict.fromkeys(events.tags[i] or ()))[: settings.max_tags]:
            name = topic(tag).encode()
            scoped = targets.number(accounts.names[author] + b"@" + name)
            owner[scoped] = author
            event += (i, i)
            target += (targets.number(name), scoped)
    lo, hi, partition = targets.columns(owner)
    order = np.argsort(np.array(event), kind="stable")
    return np.array(event)[order], np.array(target)[order], targets.names, lo, hi, partition
