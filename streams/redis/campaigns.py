"""Campaigns as they stand now: totals, pace, share of voice and how far a goal is, from what the publisher keeps in Redis."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import redis

from streams.control.campaigns import Campaign, Goal
from streams.reader import Reader
from streams.settings import Settings

PACE_MINUTES = 5
PEOPLE_ERROR = 0.016  # standard error of the count of people, as a ratio (`streams.model.distinct`)
_KINDS = ("posts", "likes", "shares", "replies")


@dataclass(frozen=True, slots=True)
class Totals:
    """What a campaign has gathered by `now`, epoch s.

    `people` is about how many different ones engaged, ever, each counting one (`PEOPLE_ERROR`). `reach` counts the same people
    weighted by trust and fading, as an account's reach does; `score` is made of it. `per_minute` has the pace of each kind over
    the last `PACE_MINUTES` minutes.
    """

    posts: int
    likes: int
    shares: int
    replies: int
    people: int
    reach: float
    score: float
    plus_minus: float
    per_minute: dict[str, float]
    now: float

    @property
    def engagements(self) -> int:
        """Likes, shares and replies."""
        return self.likes + self.shares + self.replies

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as published in JSON."""
        return {
            **{kind: getattr(self, kind) for kind in _KINDS},
            "engagements": self.engagements,
            "people": self.people,
            **{name: round(getattr(self, name), 4) for name in ("reach", "score", "plus_minus")},
            "per_minute": {kind: round(pace, 3) for kind, pace in self.per_minute.items()},
            "now": round(self.now, 3),
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


def read_totals(settings: Settings, client: redis.Redis, campaign: Campaign) -> Totals:
    """Return a campaign's totals; zeros where nothing has counted yet."""
    reader = Reader(settings, client)
    prefix, now_s = settings.redis_prefix, reader.now()
    found = reader.score(campaign.entity)
    people: Any = client.zscore(f"{prefix}people", campaign.entity)
    minutes: Any = client.lrange(f"{prefix}minutes:{campaign.entity}", 0, -1)
    counts: list[int] = [getattr(found, kind) if found else 0 for kind in _KINDS]
    pace = pace_of([orjson.loads(point) for point in minutes], counts, now_s, campaign.starts_s)
    posts, likes, shares, replies = counts
    return Totals(
        posts=posts,
        likes=likes,
        shares=shares,
        replies=replies,
        people=int(people or 0),
        reach=found.reach if found else 0.0,
        score=found.score if found else 1.0,
        plus_minus=found.plus_minus if found else 0.0,
        per_minute=dict(zip(_KINDS, pace, strict=True)),
        now=now_s,
    )


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


def progress_of(goal: Goal, totals: Totals) -> Progress:
    """Return how far a goal is. People and reach don't grow evenly, so for them no time is told."""
    value = float(getattr(totals, goal.of))
    kinds = ("likes", "shares", "replies") if goal.of == "engagements" else (goal.of,)
    pace = sum(totals.per_minute.get(kind, 0.0) for kind in kinds)
    left = goal.value - value
    at = totals.now if left <= 0 else totals.now + 60 * left / pace if pace > 0 else None
    return Progress(goal, value, value / goal.value, at)


def rivals(campaign: Campaign, campaigns: Iterable[Campaign], now_s: float) -> list[Campaign]:
    """Return the campaigns that ran at any time while this one did, itself too: those it shares the voice with."""

    def window(c: Campaign) -> tuple[float, float]:
        ends = [now_s, *([c.ended_ms / 1000] if c.ended_ms is not None else []), *([c.to_s] if c.to_s is not None else [])]
        return min(c.starts_s, now_s), min(ends)

    start_s, end_s = window(campaign)
    return [c for c in campaigns if c == campaign or (window(c)[0] < end_s and window(c)[1] > start_s)]


def share_of_voice(settings: Settings, client: redis.Redis, campaign: Campaign, campaigns: Iterable[Campaign]) -> float | None:
    """Return the campaign's part of the engagements of all its rivals, 0 to 1; None before there are any."""
    counts = {
        c.name: read_totals(settings, client, c).engagements for c in rivals(campaign, campaigns, Reader(settings, client).now())
    }
    total = sum(counts.values())
    return counts[campaign.name] / total if total else None
