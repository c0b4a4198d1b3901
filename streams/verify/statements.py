"""The change feed against itself: the reasons of each change add up to what the score moved by."""

from __future__ import annotations

from typing import Any

import orjson
import redis

from streams.settings import Settings
from streams.verify.report import Report

_PAGE = 1000
_RESIDUAL = 1e-9


def compare_statements(settings: Settings, client: redis.Redis, report: Report) -> None:
    """Add up the reasons of every change that the streams still have.

    Args:
        settings: prefix and partitions.
        client: replies are bytes.
        report: filled.
    """
    for partition in range(settings.partitions):
        stream, first = f"{settings.redis_prefix}changes:{partition}", "-"
        while entries := _page(client, stream, first):
            for _, fields in entries:
                _compare(orjson.loads(fields[b"json"]), report)
            first = f"({entries[-1][0].decode()}"


def _page(client: redis.Redis, stream: str, first: str) -> list[tuple[bytes, dict[bytes, bytes]]]:
    found: Any = client.xrange(stream, first, "+", count=_PAGE)
    return list(found)


def _compare(change: dict[str, Any], report: Report) -> None:
    if any("actor" in reason and "count" not in reason for reason in change["causes"]):
        return  # an earlier release told only the largest
    report.compared["statements"] += 1
    moved, told = change["after"] - change["before"], sum(reason["points"] for reason in change["causes"])
    if abs(moved - told) > _RESIDUAL:
        report.add("redis", change["entity"], f"reasons of version {change['ver']}", round(moved, 4), round(told, 4))
