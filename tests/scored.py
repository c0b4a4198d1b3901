"""Scores made by hand: records, and entities in Redis as the publisher writes them."""

from __future__ import annotations

import math
from typing import Any

import redis

from streams.entities import of_member
from streams.reader import Score
from streams.settings import Settings

NOW_S = 1_700_000_000.0


def score(points: float, plus_minus: float) -> Score:
    """Return a score of which only these two matter."""
    return Score("account:a", points, plus_minus, False, *[0.0] * 7, *[0] * 4, 0.0, 0.0, 0)  # type: ignore[arg-type]


def write(settings: Settings, client: redis.Redis, member: str, scope: str = "all", **fields: Any) -> None:
    """Write an entity as the publisher does: R and G at `at`, both boards' keys."""
    row = {
        "reach": 0.0,
        "network": 0.0,
        "amplification": 0.0,
        "at": NOW_S,
        "posts": 0,
        "likes": 0,
        "shares": 0,
        "replies": 0,
        "ver": 7,
    }
    row |= {"plus_minus": 1.5, "momentum": -2.0, **fields}
    base = row["reach"] + settings.network_weight * row["network"]
    influence = base * 2 ** (row["amplification"] / 5)
    prefix = settings.redis_prefix
    client.hset(f"{prefix}score:{of_member(member, scope)}", mapping={k: str(v) for k, v in row.items()})
    key = 5 * math.log2(influence) + 5 * row["at"] / settings.half_life_slow_s
    client.zadd(f"{prefix}board:{scope}:standing", {member: key})
    fast = fields.get("fast", influence)
    client.zadd(f"{prefix}board:{scope}:trending", {member: 5 * math.log2(fast) + 5 * row["at"] / settings.half_life_fast_s})
