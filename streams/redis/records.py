"""What a reader hands out: a place on a board, a score with its parts, the counts of all partitions."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

OUTCOMES = ("applied", "self", "duplicate", "refused", "misplaced", "clamped")


def _rounded(value: Any) -> Any:
    return round(value, 4) if isinstance(value, float) else value


@dataclass(frozen=True, slots=True)
class Standing:
    """A place on a board. `reach` has faded to now; `plus_minus` is the half-width in points at the last engagement."""

    rank: int
    account: str
    score: float
    plus_minus: float
    reach: float
    posts: int
    likes: int
    shares: int
    replies: int
    provisional: bool

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as published in JSON: floats with four decimals."""
        return {f.name: _rounded(getattr(self, f.name)) for f in dataclasses.fields(self)}


@dataclass(frozen=True, slots=True)
class Score:
    """A score as of `now`, epoch s; `at` is the time of the last engagement and `ver` its engagements offset."""

    entity: str
    score: float
    plus_minus: float
    provisional: bool
    reach: float
    network: float
    amplification: float
    reach_pts: float
    network_pts: float
    amplification_pts: float
    momentum: float
    posts: int
    likes: int
    shares: int
    replies: int
    at: float
    now: float
    ver: int

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as published in JSON: floats with four decimals."""
        return {f.name: _rounded(getattr(self, f.name)) for f in dataclasses.fields(self)}


@dataclass(frozen=True, slots=True)
class Stats:
    """Events by outcome, and how far the workers are; sums over partitions.

    `outcomes` has a count for each of `OUTCOMES`. `positions` is the next input offset by topic, `engagements` the next
    engagements offset folded and durable, `updated_at` the newest time a partition was published, epoch s, 0 for never.
    """

    outcomes: dict[str, int] = field(default_factory=lambda: dict.fromkeys(OUTCOMES, 0))
    positions: dict[str, int] = field(default_factory=dict)
    engagements: int = 0
    updated_at: float = 0.0

    @property
    def position(self) -> int:
        """Input records read, of all topics."""
        return sum(self.positions.values())

    @classmethod
    def total(cls, partitions: Iterable[Mapping[str, str]]) -> Stats:
        """Return the sum of the published hashes of several partitions."""
        outcomes, positions = dict.fromkeys(OUTCOMES, 0), Counter[str]()
        engagements, updated_at = 0, 0.0
        for row in partitions:
            for name, value in row.items():
                if name in outcomes:
                    outcomes[name] += int(value)
                elif name.startswith("position:"):
                    positions[name.removeprefix("position:")] += int(value)
            engagements += int(row.get("applied_engagements", 0))
            updated_at = max(updated_at, float(row.get("updated_at", 0)))
        return cls(outcomes, dict(positions), engagements, updated_at)

    def as_dict(self) -> dict[str, Any]:
        """Return the counts as published in JSON."""
        return {**self.outcomes, "position": self.position, "positions": self.positions, "updated_at": _rounded(self.updated_at)}
