"""What must stand in Redis in the end: counted anew from the records, by the definition and not by a fold.

Shares nothing with the programs but the numbers of the job: JSON by the standard library, checks by hand, each decayed counter
as the sum of its weights, all faded to the author's newest event at once.
"""

from __future__ import annotations

import json
import math
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from benchmarks.peers import job


@dataclass(frozen=True)
class Author:
    """What must be in Redis of an author; `slow` and `fast` are exact at `at`, epoch s."""

    counts: list[int]  # by kind
    slow: float
    fast: float
    at: float
    is_ranked: bool  # anything but posts was received


@dataclass
class _Received:
    counts: list[int] = field(default_factory=lambda: [0] * len(job.KINDS))
    newest: float = -math.inf
    times: array[float] = field(default_factory=lambda: array("d"))  # of all that weighs
    weights: array[float] = field(default_factory=lambda: array("d"))

    def decayed(self, half_life_s: float) -> float:
        pairs = zip(self.weights, self.times, strict=True)
        return math.fsum(weight * 2.0 ** ((at - self.newest) / half_life_s) for weight, at in pairs)


class Recount:
    """Counts all records added.

    Args:
        counts_oneself: whether an engagement with one's own post counts; Cloutstream says no.
    """

    def __init__(self, counts_oneself: bool = True) -> None:
        self._received: dict[str, _Received] = {}
        self._counts_oneself = counts_oneself

    def add(self, values: Iterable[bytes]) -> None:
        """Count records."""
        for value in values:
            event = _event(value)
            if event is None:
                continue
            kind, actor, name, at = event["kind"], event["actor"], event["author"], float(event["at"])
            if kind != "tweet" and actor == name and not self._counts_oneself:
                continue
            received = self._received.get(name)
            if received is None:
                received = self._received[name] = _Received()
            received.counts[job.KINDS.index(kind)] += 1
            received.newest = max(received.newest, at)
            if kind != "tweet":
                received.times.append(at)
                received.weights.append(job.WEIGHTS[kind])

    def authors(self) -> dict[str, Author]:
        """Return what must be there, by author."""
        return {
            name: Author(
                received.counts,
                received.decayed(job.SLOW_HALF_LIFE_S),
                received.decayed(job.FAST_HALF_LIFE_S),
                received.newest,
                len(received.weights) > 0,
            )
            for name, received in self._received.items()
        }


def _event(value: bytes) -> dict[str, Any] | None:
    """Return a record's event, None when it isn't valid."""
    try:
        event = json.loads(value)
    except ValueError:  # of UTF-8, too
        return None
    if not isinstance(event, dict) or event.get("kind") not in job.KINDS:
        return None
    if not all(isinstance(event.get(name), str) and event[name] for name in ("actor", "author")):
        return None
    at = event.get("at")
    return event if isinstance(at, int | float) and not isinstance(at, bool) else None
