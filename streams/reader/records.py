"""What a reader hands out: places on a board, scores with their parts, points of a chart, counts of all partitions."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

OUTCOMES = ("applied", "self", "duplicate", "forgotten", "refused", "misplaced", "clamped")


def _rounded(value: Any) -> Any:
    return round(value, 4) if isinstance(value, float) else value


class Record:
    """What is printed as JSON."""

    __slots__ = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as published in JSON: floats with four decimals."""
        return {f.name: _rounded(getattr(self, f.name)) for f in dataclasses.fields(self)}  # type: ignore[arg-type]  # subclasses are


@dataclass(frozen=True, slots=True)
class Standing(Record):
    """A place on a board, without hidden accounts.

    `account` is the member's id as it came: of the boards `topics` and `campaigns` a tag or a campaign. Equal influence (to the
    four decimals of a sort key) shares a `rank`, and the next one is left out: 1, 2, 2, 4. `reach` has faded to now; `plus_minus`
    is the half-width in points at the last engagement. `percentile` is the share of the board that stands below, 0 to 100; None
    on a board by other weights.
    """

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
    percentile: float | None = None


class Page(list[Standing]):
    """Places of a board, best first; beside them what they are of.

    Attributes:
        size: members of the whole board, without hidden accounts.
        now: what the scores are as of, epoch s.
        is_exact: False where other weights might bring somebody on this page who wasn't looked at; see `Reader.top`.
    """

    def __init__(self, places: Iterable[Standing], size: int, now: float, *, is_exact: bool = True) -> None:
        super().__init__(places)
        self.size = size
        self.now = now
        self.is_exact = is_exact


@dataclass(frozen=True, slots=True)
class Rank(Record):
    """Where an account stands: `size` members are on the board, `ties` of the others share the rank; else as in `Standing`."""

    account: str
    rank: int
    ties: int
    size: int
    percentile: float


@dataclass(frozen=True, slots=True)
class Score(Record):
    """A score as of `now`, epoch s; `at` is the time of the last engagement and `ver` its engagements offset.

    `plus_minus` is one standard deviation in points, and `momentum` in points, both at the last engagement.
    """

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


@dataclass(frozen=True, slots=True)
class Point(Record):
    """A point of a chart: what the score was after a change at `at`, epoch s."""

    at: float
    score: float


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
