"""How long a reader takes among a million members, the round trip to a local Redis and its own parsing included.

The board is filled as the publisher fills it: a hash and two sort keys an account. Measured one call after the other on one
connection: the first hundred places, a page deep down, the places around an account, and a rank; with nobody and with a thousand
of the leaders hidden; and `top` by other weights.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from math import log2
from typing import Any

import numpy as np
import redis

from benchmarks.run import Figures, Run, say
from streams import entities
from streams.embedded import EmbeddedRedis
from streams.reader import Reader, Weights
from streams.redis.client import session
from streams.settings import Settings

MEMBERS, QUICK_MEMBERS = 1_000_000, 20_000
CALLS, QUICK_CALLS = 2_000, 50
HIDDEN = 1_000
_BLOCK = 10_000
_NOW_S = 1_700_000_000.0


def measure(run: Run) -> Iterator[Figures]:
    """Measure what a leaderboard page asks."""
    members, calls = (QUICK_MEMBERS, QUICK_CALLS) if run.is_quick else (MEMBERS, CALLS)
    with EmbeddedRedis() as server:
        settings = Settings(redis=server.url)
        with session(settings) as client:
            say(f"filling a board with {members:,} accounts")
            _fill(settings, client, members)
            reader = Reader(settings, client, wall=lambda: _NOW_S)
            yield from _measured(reader, members, calls, "")
            client.sadd(f"{settings.redis_prefix}hidden", *(place.account for place in reader.top(n=HIDDEN)))
            yield from _measured(reader, members, calls, "_hidden")


def _measured(reader: Reader, members: int, calls: int, ending: str) -> Iterator[Figures]:
    chance = random.Random(1)
    accounts = [_account(chance.randrange(members)) for _ in range(calls)]
    deep = members // 2
    questions: dict[str, Callable[[str], Any]] = {
        "reader_top_100": lambda _: reader.top(n=100),
        "reader_page_deep": lambda _: reader.top(n=100, offset=deep),
        "reader_around": lambda account: reader.around(account, 10),
        "reader_rank": lambda account: reader.rank(account),
        "reader_score": lambda account: reader.score(entities.account(account)),
        "reader_top_100_weighted": lambda _: reader.top(n=100, weights=Weights(network=0.0, amplification=2.0)),
    }
    for name, ask in questions.items():
        took_ms = np.array([_took_ms(ask, account) for account in accounts[: calls // 10 if "weighted" in name else calls]])
        p50, p99 = np.percentile(took_ms, [50, 99])
        yield {
            "name": name + ending,
            "members": members,
            "calls": len(took_ms),
            "p50_ms": float(p50),
            "p99_ms": float(p99),
            "worst_ms": float(took_ms.max()),
        }


def _took_ms(ask: Callable[[str], Any], account: str) -> float:
    begun = time.perf_counter()
    ask(account)
    return (time.perf_counter() - begun) * 1000


def _account(number: int) -> str:
    return f"did:plc:{number:024x}"


def _fill(settings: Settings, client: redis.Redis, members: int) -> None:
    """Write accounts whose reach falls off as a power law."""
    chance, prefix = random.Random(2), settings.redis_prefix
    for first in range(0, members, _BLOCK):
        pipe: Any = client.pipeline(transaction=False)
        standing: dict[str, float] = {}
        trending: dict[str, float] = {}
        for number in range(first, min(members, first + _BLOCK)):
            account, at = _account(number), _NOW_S - chance.uniform(0, 60 * 86400)
            reach, a = round(0.3 * chance.paretovariate(0.8), 4), round(chance.uniform(-10, 10), 4)
            network = round(reach * chance.random() / 2, 4)
            influence = (reach + network) * 2 ** (a / 5)
            standing[account] = round(5 * log2(influence) + 5 * at / settings.half_life_slow_s, 4)
            trending[account] = round(5 * log2(influence) + 5 * at / settings.half_life_fast_s, 4)
            row = {"score": 1, "reach": reach, "network": network, "amplification": a, "reach_pts": 1, "network_pts": 1}
            row |= {"amplification_pts": 1, "momentum": 0, "plus_minus": 1.5, "posts": 3, "likes": 20, "shares": 5, "replies": 2}
            pipe.hset(f"{prefix}score:{entities.account(account)}", mapping={**row, "at": round(at, 4), "ver": number})
        pipe.zadd(f"{prefix}board:all:standing", standing)
        pipe.zadd(f"{prefix}board:all:trending", trending)
        pipe.execute()
