"""Which campaigns an event counts for, by the rule alone: its tags and author, its time, and when the broker took it.

The rule. A campaign counts from two seconds after the broker took its first record, and until two seconds after the one that
ended it; by event time from `from_s`, or where there is none from that begin, and before `to_s`. A record that tells a campaign
again has its times in it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from streams.verify.event import Event
from streams.verify.log import Log

ACTIVATION_MS = 2000
_ESCAPES = {ord(c): f"%{ord(c):02X}" for c in "%@{}"}
_FOR_EVER = float("inf")


@dataclass(frozen=True, slots=True)
class _Known:
    tags: frozenset[str]
    accounts: frozenset[str]
    from_s: float
    to_s: float
    since_ms: float
    ended_ms: float

    def counts(self, event: Event, at_s: float, broker_ms: int) -> bool:
        is_meant = event.author in self.accounts or not self.tags.isdisjoint(event.tags)
        return is_meant and self.since_ms <= broker_ms < self.ended_ms and self.from_s <= at_s < self.to_s


class Campaigns:
    """What the control topic says of campaigns, record by record."""

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}

    def tell(self, key: bytes | None, value: bytes | None, timestamp_ms: int) -> None:
        """Take the next record of the control topic."""
        kind, _, name = (key or b"").decode(errors="replace").partition(":")
        if kind != "campaign":
            return
        if value is None:
            self._known.pop(name, None)
            return
        try:
            self._known[name] = _after(self._known.get(name), json.loads(value), timestamp_ms + ACTIVATION_MS)
        except (ValueError, KeyError, TypeError):
            return  # not a campaign: workers leave it out, too

    def entities_of(self, event: Event, broker_ms: int) -> list[str]:
        """Return the names of the campaigns that an accepted event counts for."""
        at_s = min(event.at, broker_ms / 1000)
        return ["campaign:" + n.translate(_ESCAPES) for n, known in self._known.items() if known.counts(event, at_s, broker_ms)]


def _after(held: _Known | None, told: dict[str, Any], effective_ms: int) -> _Known:
    since_ms, ended_ms = told["since_ms"], told["ended_ms"]
    if not since_ms:
        if held is not None:
            return held
        since_ms = effective_ms
    elif ended_ms is None and held is not None and held.ended_ms < _FOR_EVER:
        return held
    elif ended_ms is None and told.get("ends"):
        ended_ms = effective_ms
    return _Known(
        frozenset(told["tags"]),
        frozenset(told["accounts"]),
        since_ms / 1000 if told["from_s"] is None else told["from_s"],
        _FOR_EVER if told["to_s"] is None else told["to_s"],
        since_ms,
        _FOR_EVER if ended_ms is None else ended_ms,
    )


def people_of(log: Log) -> dict[str, int]:
    """Return how many different people engaged with each campaign of a log, by entity name."""
    campaigns = [i for i, name in enumerate(log.names) if name.startswith(b"campaign:")]
    engaged = (log.kind != 0) & ~log.undo
    counts = {log.names[i].decode(): len(set(log.actor[engaged & (log.target == i)].tolist())) for i in campaigns}
    return {name: count for name, count in counts.items() if count}
