"""What Redis holds of an account: scores in every scope, charts, reasons, changes and alerts, its own and those that name it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
import redis

from streams import entities
from streams.settings import Settings

_PAGE = 1000


def held_in_redis(settings: Settings, client: redis.Redis, account: str) -> dict[str, Any]:
    """Return what the keys of the deployment hold of an account.

    Raises:
        redis.RedisError: Redis is away.
    """
    name, prefix = entities.account(account), settings.redis_prefix
    reading: Any = client  # redis-py types answers as whatever any of its versions gives
    names = [
        entity
        for key in reading.scan_iter(match=_literal(f"{prefix}score:{name}") + "*", count=_PAGE)
        if (entity := key.decode().removeprefix(f"{prefix}score:")).partition("@")[0] == name
    ]
    return {
        "scores": {n: {k.decode(): v.decode() for k, v in reading.hgetall(f"{prefix}score:{n}").items()} for n in sorted(names)},
        **{
            kind: {n: list(map(orjson.loads, reading.lrange(f"{prefix}{kind}:{n}", 0, -1))) for n in sorted(names)}
            for kind in ("history", "why")
        },
        "changes": [e for p in range(settings.partitions) for e in _entries(reading, f"{prefix}changes:{p}", account, name)],
        "alerts": list(_entries(reading, f"{prefix}alerts", account, name)),
        "undelivered_alerts": list(_entries(reading, f"{prefix}alerts:undelivered", account, name)),
    }


def _entries(client: Any, stream: str, account: str, name: str) -> Iterator[dict[str, Any]]:
    position = "-"
    while True:
        page = client.xrange(stream, min=position, count=_PAGE)
        for _, fields in page:
            body = orjson.loads(fields[b"json"])
            if _names(body, account, name):
                yield body
        if len(page) < _PAGE:
            return
        position = "(" + page[-1][0].decode()


def _names(value: Any, account: str, name: str) -> bool:
    if isinstance(value, str):
        return value == account or value.partition("@")[0] == name
    if isinstance(value, dict):
        value = list(value.values())
    return isinstance(value, list) and any(_names(part, account, name) for part in value)


def _literal(text: str) -> str:
    return "".join("\\" + c if c in "*?[]\\" else c for c in text)
