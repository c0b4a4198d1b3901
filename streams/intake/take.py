"""One fetched range of an input partition, from raw records to engagements, dead letters and outcome counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import compress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streams.columns.grouping import where_true
from streams.events.decode import Events, Refused, decode_events
from streams.events.duplicates import event_hashes
from streams.events.engagements import TWEET, Engagements
from streams.intake.fan_out import fan_out
from streams.intake.named import accounts_of
from streams.intake.weigh import weigh
from streams.settings import Settings
from streams.tables.actor_rows import ActorRows
from streams.tables.entity_rows import EntityRows


@dataclass(slots=True)
class Taken:
    """What a range gives: engagements by target partition, and the records refused (indices into the range)."""

    engagements: dict[int, Engagements]
    refused: list[Refused]


def take(
    topic: str, partition: int, offsets: Sequence[int], timestamps_ms: Sequence[int], values: Sequence[bytes | None],
    actors: ActorRows, entities: EntityRows, settings: Settings,
) -> Taken:  # fmt: skip
    """Take a range of records at or after the source's position; moves the position, outcome counts and actors' rows."""
    source = actors.source(topic)
    events, refused = decode_events(values)
    broker_s = np.array(timestamps_ms, dtype=np.float64) / 1000
    if not actors.log_since:
        actors.log_since = float(broker_s[0])
    at_offset = np.array(offsets, dtype=np.int64)
    outcomes = source.outcomes
    outcomes["refused"] += len(refused)
    source.position = int(at_offset[-1]) + 1
    n = len(events.kind)
    if not n:
        return Taken({}, refused)
    alike = np.fromiter(map(str.__eq__, events.actor, events.author), dtype=bool, count=n)
    selfish = alike & (events.kind != TWEET)
    lo, hi = event_hashes(events.id, events.undo)
    accepted = where_true(~selfish)
    duplicate = source.duplicates.accept(lo[accepted], hi[accepted], at_offset[events.index[accepted]])
    accepted = accepted[~duplicate]
    outcomes["self"] += int(selfish.sum())
    outcomes["duplicate"] += int(duplicate.sum())
    outcomes["applied"] += len(accepted)
    if not len(accepted):
        return Taken({}, refused)
    chosen = _select(events, accepted)
    own, broker = at_offset[chosen.index], broker_s[chosen.index]
    outcomes["clamped"] += int((chosen.at > broker).sum())
    at = np.minimum(chosen.at, broker)
    accounts = accounts_of(chosen.actor, chosen.author, settings.partitions)
    outcomes["misplaced"] += int((accounts.partition[accounts.actor] != partition).sum())
    factors = weigh(chosen, at, broker, accounts, actors, entities, settings)
    return Taken(fan_out(topic, partition, own, chosen, at, accounts, factors, settings), refused)


def _select(events: Events, rows: NDArray[np.int64]) -> Events:
    """Return some of the events, in order."""
    if len(rows) == len(events.kind):
        return events
    wanted = np.zeros(len(events.kind), dtype=bool)
    wanted[rows] = True
    mask = wanted.tolist()
    columns: list[Any] = []
    for f in fields(Events):
        column = getattr(events, f.name)
        columns.append(column[rows] if isinstance(column, np.ndarray) else list(compress(column, mask)))
    return Events(*columns)
