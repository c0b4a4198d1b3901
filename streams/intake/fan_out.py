"""From weighed events to packed records: which entities each event is for, one record per target partition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streams.columns.grouping import distinct_numbers, run_starts, stable_order
from streams.columns.hashing import Hashes, hash_names
from streams.columns.index import Rows
from streams.columns.placement import partitions_of
from streams.columns.texts import Texts
from streams.entities import topic
from streams.events.decode import Events
from streams.events.engagements import UNDO_BIT, Engagements
from streams.intake.campaigns import Counted
from streams.intake.named import Accounts
from streams.intake.weigh import Factors
from streams.kafka.range import Range
from streams.settings import Settings


@dataclass(slots=True)
class Entities:
    """Columns of what the events of a batch are for."""

    names: Texts
    lo: Hashes
    hi: Hashes
    partition: NDArray[np.int64]


class _Scopes:
    """Entities of a batch beyond its accounts, numbered after them: topics and campaigns, and accounts inside them."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._account_names = accounts.names.tolist()
        self._topics: dict[str, int] = {}
        self._campaigns: dict[bytes, int] = {}
        self._scoped: dict[tuple[int, int], int] = {}
        self._names: list[bytes] = []
        self._owner: list[int] = []  # account that a scoped one is placed with, or -1

    def topic(self, tag: str) -> int:
        """Return the number of a topic."""
        found = self._topics.get(tag)
        if found is None:
            found = self._topics[tag] = self._add(topic(tag).encode(), -1)
        return found

    def campaign(self, name: bytes) -> int:
        """Return the number of a campaign, by its entity name."""
        found = self._campaigns.get(name)
        if found is None:
            found = self._campaigns[name] = self._add(name, -1)
        return found

    def scoped(self, account: int, scope: int) -> int:
        """Return the number of an account inside a topic or campaign."""
        found = self._scoped.get((account, scope))
        if found is None:
            name = self._account_names[account] + b"@" + self._names[scope - len(self._account_names)]
            found = self._scoped[account, scope] = self._add(name, account)
        return found

    def _add(self, name: bytes, owner: int) -> int:
        self._names.append(name)
        self._owner.append(owner)
        return len(self._account_names) + len(self._names) - 1

    def everything(self, partitions: int) -> Entities:
        """Return the accounts and, after them, what was numbered here."""
        a, names = self._accounts, Texts.of(self._names)
        lo, hi = hash_names(self._names)
        owner = np.array(self._owner)
        partition = np.where(owner < 0, partitions_of(names, partitions), a.partition[owner])
        return Entities(
            Texts.concatenated([a.names, names]),
            np.concatenate([a.lo, lo]),
            np.concatenate([a.hi, hi]),
            np.concatenate([a.partition, partition]),
        )


def fan_out(
    ranges: Sequence[Range], of_range: Rows, offsets: NDArray[np.int64], events: Events, at: NDArray[np.float64],
    accounts: Accounts, factors: Factors, counted: Counted, settings: Settings,
) -> list[tuple[int, Engagements]]:  # fmt: skip
    """Return the engagements of accepted events with their target partition: one record for each that a range is for.

    Args:
        ranges: the ranges that the events are of.
        of_range: which of them each event is of, ascending.
        offsets: of the events.
        events: accepted ones.
        at: their times, clamped.
        accounts: the accounts of the batch.
        factors: what each event is worth.
        counted: which of them count for which campaigns.
        settings: what events fan out to.
    """
    event, target, entities = _pairs(events, accounts, counted, settings)
    where = of_range[event] * settings.partitions + entities.partition[target]
    order = stable_order(where)
    event, target, where = event[order], target[order], where[order]
    actor, own, at = accounts.actor[event], offsets[event], at[event]
    flags = (events.kind | np.where(events.undo, UNDO_BIT, 0).astype(np.uint8))[event]
    f32 = {f: getattr(factors, f)[event].astype(np.float32) for f in Factors.__slots__}
    starts = run_starts(where)
    records = []
    for a, b in zip(starts.tolist(), [*starts[1:].tolist(), len(where)], strict=True):
        r, p = divmod(int(where[a]), settings.partitions)
        n, base = b - a, int(own[a])
        distinct, numbers = distinct_numbers(np.concatenate([target[a:b], actor[a:b]]), len(entities.names))
        place = numbers.astype(np.uint32)
        record = Engagements(
            source_topic=ranges[r].topic,
            source_partition=ranges[r].partition,
            base_offset=base,
            at=at[a:b],
            e=(own[a:b] - base).astype(np.uint32),
            target=place[:n],
            actor=place[n:],
            **{f: column[a:b] for f, column in f32.items()},
            flags=flags[a:b],
            lo=entities.lo[distinct],
            hi=entities.hi[distinct],
            names=entities.names.pick(distinct),
        )
        records.append((p, record))
    return records


def _pairs(events: Events, accounts: Accounts, counted: Counted, settings: Settings) -> tuple[Rows, Rows, Entities]:
    """Return (event, target) pairs in event order, and what the targets are numbers of."""
    n = len(events.kind)
    has_topics = settings.topics_enabled and settings.max_tags and any(events.tags)
    if not has_topics and not len(counted.event):
        return np.arange(n), accounts.author, Entities(accounts.names, accounts.lo, accounts.hi, accounts.partition)
    scopes = _Scopes(accounts)
    event, target = list(range(n)), accounts.author.tolist()
    for i, tags in enumerate(events.tags) if has_topics else ():
        for tag in list(dict.fromkeys(tags))[: settings.max_tags] if tags else ():
            number = scopes.topic(tag)
            event += (i, i)
            target += (number, scopes.scoped(target[i], number))
    for i, c in zip(counted.event.tolist(), counted.campaign.tolist(), strict=True):
        number = scopes.campaign(counted.names[c])
        event += (i, i)
        target += (number, scopes.scoped(target[i], number))
    order = stable_order(np.array(event))
    return np.array(event)[order], np.array(target)[order], scopes.everything(settings.partitions)
