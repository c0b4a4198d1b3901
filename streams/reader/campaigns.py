"""Campaigns as they stand now: totals, pace, share of voice and how far a goal is, made of what workers keep in Redis."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import orjson

from streams.control.campaigns import Campaign as Definition
from streams.control.campaigns import Goal
from streams.reader.records import Score

PACE_MINUTES = 5
PEOPLE_ERROR = 0.016  # standard error of the count of people, as a ratio (`streams.model.distinct`)
KINDS = ("posts", "likes", "shares", "replies")
ENGAGED = KINDS[1:]


@dataclass(frozen=True, slots=True)
class Totals:
    """What a campaign has gathered.

    `people` is about how many different ones engaged, ever, each counting one (`PEOPLE_ERROR`). `reach` counts the same people
    weighted by trust and fading, as an account's reach does. `per_minute` has the pace of each kind over the last `PACE_MINUTES`
    minutes.
    """

    posts: int
    likes: int
    shares: int
    replies: int
    people: int
    reach: float
    per_minute: dict[str, float]

    @property
    def engagements(self) -> int:
        """Likes, shares and replies."""
        return self.likes + self.shares + self.replies

    @property
    def engagements_per_minute(self) -> float:
        """The pace of likes, shares and replies together."""
        return sum(self.per_minute[kind] for kind in ENGAGED)

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as published in JSON."""
        return {
            **{kind: getattr(self, kind) for kind in KINDS},
            "engagements": self.engagements,
            "people": self.people,
            "reach": round(self.reach, 4),
            "per_minute": {kind: round(pace, 3) for kind, pace in self.per_minute.items()},
        }


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a goal is: `ratio` is 1 when it is reached; `at` when it will be at the present pace, epoch s, None if not told."""

    goal: Goal
    value: float
    ratio: float
    at: float | None

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as published in JSON."""
        return {
            "of": self.goal.of, "goal": self.goal.value, "value": round(self.value, 4), "ratio": round(self.ratio, 4),
            "at": None if self.at is None else round(self.at, 3),
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Campaign:
    """A campaign as of `now`, epoch s.

    `score` is None before anything happened in it. `share_of_voice` is its part of the engagements of all campaigns that ran at
    any time while it did, 0 to 1; None before there are any. `progress` is None without a goal.
    """

    definition: Definition
    score: Score | None
    totals: Totals
    share_of_voice: float | None
    progress: Progress | None
    now: float

    @property
    def id(self) -> str:
        """Its name."""
        return self.definition.name

    @property
    def state(self) -> str:
        """`to come`, `runs` or `over`."""
        if self.definition.is_over(self.now):
            return "over"
        return "to come" if self.now < self.definition.starts_s else "runs"

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as published in JSON."""
        return {
            "id": self.id,
            "definition": self.definition.as_dict(),
            "state": self.state,
            "score": None if self.score is None else self.score.as_dict(),
            "totals": self.totals.as_dict(),
            "share_of_voice": None if self.share_of_voice is None else round(self.share_of_voice, 4),
            "progress": None if self.progress is None else self.progress.as_dict(),
            "now": round(self.now, 3),
        }


def definition_of(name: str, text: bytes) -> Definition:
    """Return a definition as workers publish it, JSON; what it doesn't say is as by default."""
    return msgspec.convert({**orjson.loads(text), "name": name}, Definition)


def totals_of(score: Score | None, people: int, minutes: Iterable[Sequence[int]], now_s: float, starts_s: float) -> Totals:
    """Return a campaign's totals; zeros where nothing has counted yet. `minutes` and the times are as in `pace_of`."""
    posts, likes, shares, replies = counts = [0 if score is None else getattr(score, kind) for kind in KINDS]
    pace = pace_of(minutes, counts, now_s, starts_s)
    reach = 0.0 if score is None else score.reach
    return Totals(posts, likes, shares, replies, people, reach, dict(zip(KINDS, pace, strict=True)))


def pace_of(minutes: Iterable[Sequence[int]], counts: Sequence[int], now_s: float, starts_s: float) -> list[float]:
    """Return how many of each kind came a minute lately.

    Args:
        minutes: `[minute, posts, likes, shares, replies]` as they stood at its end, newest first, minutes since the epoch.
        counts: as they stand now.
        now_s: epoch s.
        starts_s: when the campaign began to count, epoch s: before that it had nothing.

    >>> pace_of([[10, 0, 9, 0, 0], [4, 0, 4, 0, 0]], [0, 9, 0, 0], now_s=600.0, starts_s=0.0)
    [0.0, 1.0, 0.0, 0.0]
    """
    since_s = now_s - 60.0 * PACE_MINUTES
    # The newest minute that was over by then; there are none of minutes without events.
    before = next((list(point[1:]) for point in minutes if 60 * (point[0] + 1) <= since_s), [0] * len(counts))
    lasted_s = min(60.0 * PACE_MINUTES, max(60.0, now_s - starts_s))
    return [max(0, now - then) * 60.0 / lasted_s for now, then in zip(counts, before, strict=True)]


def progress_of(goal: Goal, totals: Totals, now_s: float) -> Progress:
    """Return how far a goal is. People and reach don't grow evenly, so for them no time is told."""
    value = float(getattr(totals, goal.of))
    pace = totals.engagements_per_minute if goal.of == "engagements" else totals.per_minute.get(goal.of, 0.0)
    left = goal.value - value
    at = now_s if left <= 0 else now_s + 60 * left / pace if pace > 0 else None
    return Progress(goal, value, value / goal.value, at)


def shares_of_voice(campaigns: Sequence[Definition], engagements: Sequence[int], now_s: float) -> list[float | None]:
    """Return the part that each campaign has of the engagements of all that ran at any time while it did; None of none.

    Args:
        campaigns: all of them.
        engagements: of each.
        now_s: epoch s.
    """
    ran = [_ran(campaign, now_s) for campaign in campaigns]
    counted = list(zip(ran, engagements, strict=True))
    shares = list[float | None]()
    for i, (start_s, end_s) in enumerate(ran):
        own = engagements[i]
        others = sum(n for j, ((start, end), n) in enumerate(counted) if j != i and start < end_s and end > start_s)
        shares.append(own / (own + others) if own + others else None)
    return shares


def _ran(campaign: Definition, now_s: float) -> tuple[float, float]:
    """Return from when to when a campaign ran so far, epoch s."""
    ends = [now_s]
    if campaign.ended_ms is not None:
        ends.append(campaign.ended_ms / 1000)
    if campaign.to_s is not None:
        ends.append(campaign.to_s)
    return min(campaign.starts_s, now_s), min(ends)
