"""Fetched ranges of input partitions, from raw records to engagements, dead letters and outcome counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from streams.columns.grouping import where_true
from streams.columns.index import Rows
from streams.events.decode import Events, Refused, decode_events
from streams.events.duplicates import event_hashes
from streams.events.engagements import TWEET, Engagements
from streams.intake.campaigns import Watchlist
from streams.intake.fan_out import fan_out
from streams.intake.named import accounts_of
from streams.intake.once import weigh_once
from streams.intake.selecting import select
from streams.intake.weigh import Places
from streams.kafka.range import Range
from streams.settings import Settings
from streams.tables.actor_rows import ActorRows
from streams.tables.entity_rows import EntityRows
from streams.tables.forgotten import NOBODY, Forgotten


@dataclass(slots=True)
class Taken:
    """What ranges give: engagements with their target partition, the records refused with their range, and how many of what."""

    engagements: list[tuple[int, Engagements]]
    refused: list[tuple[Range, Refused]]
    outcomes: Counter[str]


_NO_CAMPAIGNS = Watchlist()


def take(
    ranges: Sequence[Range], actors: ActorRows, entities: EntityRows, settings: Settings,
    campaigns: Watchlist = _NO_CAMPAIGNS, forgotten: Forgotten = NOBODY,
) -> Taken:  # fmt: skip
    """Take ranges of input partitions as one batch; moves positions, outcome counts and actors' rows.

    Args:
        ranges: at or after the positions of their sources, those of one partition in order.
        actors: updated.
        entities: read.
        settings: weights, scales and what events fan out to.
        campaigns: which events count for which, known for the broker times of all ranges.
        forgotten: whose events don't count, known as well.
    """
    events, told = decode_events([value for content in ranges for value in content.values])
    ends = np.cumsum([len(content) for content in ranges])
    offsets = np.concatenate([np.array(content.offsets, dtype=np.int64) for content in ranges])
    broker_ms = np.concatenate([np.array(content.timestamps_ms, dtype=np.int64) for content in ranges])
    batch = _Batch(ranges, actors)
    batch.move_on()
    refused = []
    for bad in told:
        r = int(np.searchsorted(ends, bad.index, side="right"))
        refused.append((ranges[r], replace(bad, index=bad.index - int(ends[r]) + len(ranges[r]))))
        batch.sources[r].outcomes["refused"] += 1
        batch.outcomes["refused"] += 1
    n = len(events.kind)
    if not n:
        return Taken([], refused, batch.outcomes)
    of_range = np.searchsorted(ends, events.index, side="right")
    alike = np.fromiter(map(str.__eq__, events.actor, events.author), dtype=bool, count=n)
    selfish = alike & (events.kind != TWEET)
    accepted = where_true(~selfish)
    duplicate = batch.duplicates(events, accepted, of_range[accepted], offsets[events.index[accepted]])
    batch.count("self", of_range[selfish])
    batch.count("duplicate", of_range[accepted[duplicate]])
    accepted = accepted[~duplicate]
    if not len(accepted):
        return Taken([], refused, batch.outcomes)
    chosen = select(events, accepted)
    accounts = accounts_of(chosen.actor, chosen.author, settings.partitions)
    dropped = forgotten.drops(accounts, broker_ms[chosen.index])
    if dropped.any():
        batch.count("forgotten", of_range[accepted[dropped]])
        accepted = accepted[~dropped]
        if not len(accepted):
            return Taken([], refused, batch.outcomes)
        chosen = select(events, accepted)
        accounts = accounts_of(chosen.actor, chosen.author, settings.partitions)
    of_range = of_range[accepted]
    batch.count("applied", of_range)
    own, taken_ms = offsets[chosen.index], broker_ms[chosen.index]
    broker = taken_ms / 1000
    batch.count("clamped", of_range[chosen.at > broker])
    at = np.minimum(chosen.at, broker)
    part = batch.part[of_range]
    batch.count("misplaced", of_range[accounts.partition[accounts.actor] != part])
    places = Places(batch.topics, batch.topic[of_range], part, own)
    factors = weigh_once(chosen, at, broker, places, accounts, actors, entities, settings, batch.may_be_held)
    counted = campaigns.matches(chosen.tags, accounts, at, taken_ms)
    return Taken(fan_out(ranges, of_range, own, chosen, at, accounts, factors, counted, settings), refused, batch.outcomes)


class _Batch:
    """The sources of the ranges of a batch."""

    def __init__(self, ranges: Sequence[Range], actors: ActorRows) -> None:
        self._ranges = ranges
        self._inputs = [actors.inputs(content.partition) for content in ranges]
        self.sources = [inputs.source(content.topic) for inputs, content in zip(self._inputs, ranges, strict=True)]
        self.part = np.array([content.partition for content in ranges])
        self.topics = list(dict.fromkeys(content.topic for content in ranges))
        self.topic = np.array([self.topics.index(content.topic) for content in ranges])
        # Rows read from the changelog may hold what was taken and not yet noted as such.
        self.may_be_held = any(
            content.offsets[0] < inputs.in_rows.get(actors.taken.hash_of(content.topic), 0)
            for content, inputs in zip(ranges, self._inputs, strict=True)
        )
        self.outcomes: Counter[str] = Counter()

    def move_on(self) -> None:
        """Set the positions behind the ranges."""
        for content, inputs, source in zip(self._ranges, self._inputs, self.sources, strict=True):
            source.position = content.offsets[-1] + 1
            inputs.log_since = inputs.log_since or content.timestamps_ms[0] / 1000

    def count(self, outcome: str, of_range: Rows) -> None:
        """Count an outcome once for each of some events, given the range that each is of."""
        self.outcomes[outcome] += len(of_range)
        for source, more in zip(self.sources, np.bincount(of_range, minlength=len(self.sources)).tolist(), strict=True):
            source.outcomes[outcome] += more

    def duplicates(self, events: Events, rows: Rows, of_range: Rows, offsets: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which of some events, in order, were accepted before, and remember the others."""
        lo, hi = event_hashes(events.id, events.undo)
        lo, hi = lo[rows], hi[rows]
        bounds = np.searchsorted(of_range, np.arange(len(self.sources) + 1)).tolist()
        duplicate = np.zeros(len(rows), dtype=bool)
        for source, a, b in zip(self.sources, bounds, bounds[1:], strict=False):
            if a < b:
                duplicate[a:b] = source.duplicates.accept(lo[a:b], hi[a:b], offsets[a:b])
        return duplicate
