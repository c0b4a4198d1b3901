"""Whether what stands in Redis is right: every author's hash and place on the board, and nothing else.

Counts must be equal, decayed counters, scores and sort keys to one part in a billion: each system adds in its own order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any

import redis

from benchmarks.peers import job
from benchmarks.peers.recount import Author

_PER_CALL = 2_000
_SHOWN = 3
RELATIVE, ABSOLUTE = 1e-9, 1e-12
Differences = Callable[[redis.Redis, Mapping[str, Author]], list[str]]


def common(client: redis.Redis, expected: Mapping[str, Author]) -> list[str]:
    """Return what differs of the common job's result, at most three things."""
    return list(islice(_common(client, expected), _SHOWN))


def whole(client: redis.Redis, expected: Mapping[str, Author]) -> list[str]:
    """Return which counts of the whole pipeline's accounts differ: its scores are of another model."""
    return list(islice(_whole(client, expected), _SHOWN))


def _common(client: Any, expected: Mapping[str, Author]) -> Iterator[str]:
    keys = client.dbsize()
    ranked = sum(author.is_ranked for author in expected.values())
    if keys != len(expected) + 1:
        yield f"{keys} keys; expected {len(expected) + 1}: a hash for each author and the board"
    if (held := client.zcard(job.BOARD)) != ranked:
        yield f"{held} authors on the board; expected {ranked}"
    for names in _slices(list(expected)):
        pipe = client.pipeline(transaction=False)
        for name in names:
            pipe.hgetall(job.SCORE + name)
            pipe.zscore(job.BOARD, name)
        answers = iter(pipe.execute())
        for name, found, key in zip(names, answers, answers, strict=True):
            if difference := _difference({k.decode(): float(v) for k, v in found.items()}, key, expected[name]):
                yield f"{name}: {difference}"


def _difference(found: Mapping[str, float], key: float | None, author: Author) -> str | None:
    numbers = {"score": 1 + 5 * math.log2(1 + author.slow), "slow": author.slow, "fast": author.fast, "at": author.at}
    exact = dict(zip(job.COUNTS, author.counts, strict=True))
    if set(found) != {*numbers, *exact}:
        return f"has the fields {sorted(found)}; expected {sorted({*numbers, *exact})}"
    for name, number in exact.items():
        if found[name] != number:
            return f"{name} is {found[name]:g}; expected {number}"
    for name, value in numbers.items():
        if not _is_close(found[name], value):
            return f"{name} is {found[name]!r}; expected {value!r}"
    wanted = 5 * math.log2(author.slow) + 5 * author.at / job.SLOW_HALF_LIFE_S if author.is_ranked else None
    if (key is None) != (wanted is None) or (key is not None and wanted is not None and not _is_close(key, wanted)):
        return f"its sort key is {key!r}; expected {wanted!r}"
    return None


def _whole(client: Any, expected: Mapping[str, Author]) -> Iterator[str]:
    for names in _slices(list(expected)):
        pipe = client.pipeline(transaction=False)
        for name in names:
            pipe.hmget(f"cs:score:account:{name}", *job.COUNTS)
        for name, found in zip(names, pipe.execute(), strict=True):
            counts = [int(n) if n is not None else None for n in found]
            if counts != expected[name].counts:
                yield f"{name}: {dict(zip(job.COUNTS, counts, strict=True))}; expected {expected[name].counts}"


def _is_close(found: float, wanted: float) -> bool:
    return math.isclose(found, wanted, rel_tol=RELATIVE, abs_tol=ABSOLUTE)


def _slices(names: list[str]) -> Iterator[list[str]]:
    return (names[first : first + _PER_CALL] for first in range(0, len(names), _PER_CALL))
