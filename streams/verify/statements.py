"""Statements against themselves: the reasons of each change add up to what the score moved by.

Those that Redis keeps for each entity, not those in the change feed: there an earlier release may have written, too, which told
only the largest.
"""

from __future__ import annotations

from itertools import islice
from typing import Any

import orjson
import redis

from streams.settings import Settings
from streams.verify.redis_state import suffixes
from streams.verify.report import Report

_PAGE = 1000
_RESIDUAL = 1e-9


def compare_statements(settings: Settings, client: redis.Redis, report: Report) -> None:
    """Add up the reasons in every statement that is kept.

    Args:
        settings: the prefix.
        client: replies are bytes.
        report: filled.
    """
    prefix = f"{settings.redis_prefix}why:"
    names = suffixes(client, prefix)
    while page := list(islice(names, _PAGE)):
        pipe: Any = client.pipeline(transaction=False)
        for entity in page:
            pipe.lrange(prefix + entity, 0, -1)
        for entity, kept in zip(page, pipe.execute(), strict=True):
            for text in kept:
                _compare(entity, orjson.loads(text), report)


def _compare(entity: str, statement: dict[str, Any], report: Report) -> None:
    report.compared["statements"] += 1
    moved = statement["after"] - statement["before"]
    told = sum(reason["points"] for reason in statement["causes"])
    if abs(moved - told) > _RESIDUAL:
        report.add("redis", entity, f"reasons of version {statement['ver']}", round(moved, 4), round(told, 4))
