"""A campaign in the engagements topic: who did what when, and what its accounts received before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from streams.control.campaigns import Campaign
from streams.entities import account, id_of
from streams.kafka.reading import end_offsets
from streams.settings import Settings
from streams.verify.log import Log, read_log

BASELINE_S = 7 * 86400.0
_NOTHING = np.zeros(0)


@dataclass
class Moments:
    """Engagements as columns: event time (epoch s), kind, and +1, or -1 for one taken back."""

    at: NDArray[np.float64] = field(default_factory=lambda: _NOTHING)
    kind: NDArray[np.int64] = field(default_factory=lambda: _NOTHING.astype(np.int64))
    sign: NDArray[np.int64] = field(default_factory=lambda: _NOTHING.astype(np.int64))

    def add(self, log: Log, chosen: NDArray[np.bool_]) -> None:
        """Add some of a log's."""
        self.at = np.concatenate([self.at, log.at[chosen]])
        self.kind = np.concatenate([self.kind, log.kind[chosen].astype(np.int64)])
        self.sign = np.concatenate([self.sign, np.where(log.undo[chosen], -1, 1)])

    def binned(self, edges: NDArray[np.float64], kinds: tuple[int, ...]) -> list[int]:
        """Return counts of some kinds between edges, shape (n + 1,), the last bin without its end."""
        chosen = np.isin(self.kind, kinds) & (self.at >= edges[0]) & (self.at < edges[-1])
        place = np.searchsorted(edges, self.at[chosen], side="right") - 1
        return [int(n) for n in np.bincount(place, self.sign[chosen], minlength=len(edges) - 1)]


@dataclass
class Gathered:
    """What the log has of a campaign.

    `accounts` has posts, likes, shares and replies by account, `actors` engagements by who gave them. `received` are engagements
    with its accounts, in the campaign or not. `log_from_s` is the first time of any engagement in the week before it began.
    `rivals` has the engagements of every campaign by entity name. `is_whole`: nothing of it was deleted.
    """

    counted: Moments = field(default_factory=Moments)
    received: Moments = field(default_factory=Moments)
    accounts: dict[str, list[int]] = field(default_factory=dict)
    actors: Counter[str] = field(default_factory=Counter)
    people: set[bytes] = field(default_factory=set)
    rivals: Counter[str] = field(default_factory=Counter)
    log_from_s: float = float("inf")
    is_whole: bool = True


def gather(settings: Settings, campaign: Campaign, progress: Callable[[str, float, float], None]) -> Gathered:
    """Read all partitions as far as they are retained.

    Raises:
        ServiceUnavailable: Kafka can't be reached.
        ConfigurationError: a topic is missing.
    """
    found = Gathered()
    ends = sorted(end_offsets(settings, settings.engagements_topic).items())
    for partition, end in ends:
        progress("reading engagements", partition, len(ends))
        take(found, read_log(settings, partition, end), campaign)
    return found


def take(found: Gathered, log: Log, campaign: Campaign) -> None:
    """Add one partition's log."""
    found.is_whole &= log.first_offset == 0
    earliest_s = campaign.starts_s - BASELINE_S
    lately = log.at[(log.at >= earliest_s) & (log.at < campaign.starts_s)]
    found.log_from_s = min(found.log_from_s, float(lately.min(initial=np.inf)))
    engaged = log.kind != 0
    sign = np.where(log.undo, -1, 1)
    in_scope, entity = f"@{campaign.entity}".encode(), campaign.entity.encode()
    watched = {account(raw_id).encode() for raw_id in campaign.accounts}
    counts = np.zeros((len(log.names), 4), dtype=np.int64)
    np.add.at(counts, (log.target, log.kind.astype(np.int64)), sign)
    received = np.zeros(len(log.names), dtype=bool)
    places = {name: i for i, name in enumerate(log.names)}
    for i, name in enumerate(log.names):
        if name.startswith(b"campaign:"):
            found.rivals[name.decode()] += int(counts[i, 1:].sum())
        elif name.endswith(in_scope) and counts[i].any():
            unscoped = name.removesuffix(in_scope)
            found.accounts[id_of(unscoped.decode())] = counts[i].tolist()
            if not watched and unscoped in places:
                received[places[unscoped]] = True
        elif name in watched:
            received[i] = True
    found.received.add(log, received[log.target] & engaged)
    own = places.get(entity)
    if own is None:
        return
    mine = log.target == own
    found.counted.add(log, mine)
    given = np.zeros(len(log.names), dtype=np.int64)
    np.add.at(given, log.actor[mine & engaged], sign[mine & engaged])
    for i in np.flatnonzero(given > 0).tolist():
        found.actors[id_of(log.names[i].decode())] += int(given[i])
    found.people |= {log.names[i] for i in np.unique(log.actor[mine & engaged & ~log.undo]).tolist()}
