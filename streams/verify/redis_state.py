"""Redis against the table: every hash, every board, nothing more and nothing less."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

import redis

from streams import entities
from streams.settings import Settings
from streams.verify.decayed import COUNTS
from streams.verify.formula import Shown, shown
from streams.verify.report import Report
from streams.verify.table import Table

_PAGE = 1000
# Published with four decimals; and the last bits of a logarithm may fall on either side of a half.
_ROUNDING = 0.5e-4 + 1e-7
_RELATIVE = 1e-12
# Board -> member -> its sort key, and whether it may be absent.
Boards = dict[str, dict[str, tuple[float, bool]]]
_PEOPLE_TOLERANCE = 5 * 0.01625  # five standard errors


def compare_redis(
    settings: Settings, client: redis.Redis, tables: Iterable[Table], report: Report, progress: Callable[[int], None]
) -> None:
    """Compare hashes and boards with the rows.

    Args:
        settings: prefix, half-lives, weights.
        client: replies are bytes.
        tables: of all partitions.
        report: filled.
        progress: called with the number of entities done since the last call.
    """
    boards: Boards = {}
    names: set[str] = set()
    for table in tables:
        rows = iter(zip(table.names, table.rows, table.sketched.tolist(), strict=True))
        while page := list(islice(rows, _PAGE)):
            pipe: Any = client.pipeline(transaction=False)
            for name, _, _ in page:
                pipe.hgetall(f"{settings.redis_prefix}score:{name.decode()}")
            for (name, row, is_sketched), found in zip(page, pipe.execute(), strict=True):
                entity = name.decode()
                names.add(entity)
                expected = shown(row, is_sketched, settings)
                _compare_hash(entity, row, expected, {k.decode(): v.decode() for k, v in found.items()}, report)
                _place(boards, entity, expected, settings)
            progress(len(page))
    for entity in suffixes(client, f"{settings.redis_prefix}score:"):
        if entity not in names:
            report.add("redis", entity, "score", None, "a hash")
    _compare_boards(settings, client, boards, report)
    if not client.exists(f"{settings.redis_prefix}epoch"):
        report.notes.append(f"no {settings.redis_prefix}epoch: Redis says itself that it isn't complete")


def compare_people(settings: Settings, client: redis.Redis, people: Mapping[str, int], report: Report) -> None:
    """Compare how many people engaged with campaigns; what is published is an estimate."""
    for entity, expected in people.items():
        found: Any = client.zscore(f"{settings.redis_prefix}people", entity)
        report.compared["people"] += 1
        if found is None or abs(found - expected) > max(1.0, _PEOPLE_TOLERANCE * expected):
            report.add("redis", entity, "people", expected, found)


def _compare_hash(entity: str, row: Any, expected: Shown, found: dict[str, str], report: Report) -> None:
    if not found:
        report.add("redis", entity, "score", "a hash", None)
        return
    for field in COUNTS:
        # A count below nothing (something was undone that never came) is shown as nothing.
        report.expect("published integers", "redis", entity, field, max(0, int(row[field])), _count(found.get(field)))
    report.expect("published integers", "redis", entity, "ver", str(int(row["off"])), found.get("ver"))
    for field, value in expected.fields.items():
        report.compared["published decimals"] += 1
        if not _equal(value, found.get(field)):
            report.add("redis", entity, field, round(value, 4), found.get(field))


def _count(found: str | None) -> int | None:
    return None if found is None else max(0, int(found))


def _equal(expected: float, found: str | float | None) -> bool:
    return found is not None and abs(float(found) - expected) <= _ROUNDING + _RELATIVE * abs(expected)


def _place(boards: Boards, entity: str, expected: Shown, settings: Settings) -> None:
    parsed = entities.parse(entity)
    scope, reach = entities.board_scope(parsed), expected.fields["reach"]
    is_topics = scope.startswith("topic:")
    if is_topics and reach < settings.topic_leave_reach - _ROUNDING:
        return
    # Between the two it goes by whether it had come before, which no row says.
    may_be_absent = is_topics and reach < settings.topic_enter_reach + _ROUNDING
    for board, key in (("standing", expected.standing_key), ("trending", expected.trending_key)):
        if key is not None:
            boards.setdefault(f"{scope}:{board}", {})[parsed.id] = (key, may_be_absent)


def _compare_boards(settings: Settings, client: redis.Redis, boards: Boards, report: Report) -> None:
    prefix = f"{settings.redis_prefix}board:"
    for name in boards.keys() | set(suffixes(client, prefix)):
        expected = boards.get(name, {})
        members: Any = client.zscan_iter(prefix + name, count=_PAGE)
        found = {member.decode(): key for member, key in members}
        for member in expected.keys() | found.keys():
            report.compared["board places"] += 1
            key, may_be_absent = expected.get(member, (None, False))
            if may_be_absent and member not in found:
                continue
            if key is None or not _equal(key, found.get(member)):
                report.add("redis", f"board {name}", member, key, found.get(member))


def suffixes(client: redis.Redis, prefix: str) -> Iterator[str]:
    """Yield what follows a prefix in the names of keys."""
    escaped = "".join("\\" + c if c in "*?[]\\" else c for c in prefix)
    keys: Any = client.scan_iter(match=escaped + "*", count=10 * _PAGE)
    for key in keys:
        yield key.decode().removeprefix(prefix)
