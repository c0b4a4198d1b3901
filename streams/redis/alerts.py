"""The alert feed as commands read it; no numpy, so that they start at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import orjson
import redis

from streams.settings import Settings

WAIT_S = 1.0


def newest(settings: Settings, client: redis.Redis, n: int, stream: str = "alerts") -> list[dict[str, Any]]:
    """Return the last `n` alerts, oldest first; of the stream `alerts:undelivered` with why."""
    entries: Any = client.xrevrange(settings.redis_prefix + stream, count=n)
    return [_body(fields) for _, fields in reversed(entries)]


def following(settings: Settings, client: redis.Redis, until: Callable[[], bool] = lambda: False) -> Iterator[dict[str, Any]]:
    """Yield alerts as they are written, from now on; asks `until` after each second, and after each alert."""
    key = settings.redis_prefix + "alerts"
    last: Any = client.xrevrange(key, count=1)
    position = last[0][0] if last else b"0"
    while not until():
        # A wait shorter than the client's own time-out: silence is no failure.
        answer: Any = client.xread({key: position}, count=100, block=int(WAIT_S * 1000))
        for entry, fields in answer[0][1] if answer else ():
            position = entry
            yield _body(fields)


def forget_rule(settings: Settings, client: redis.Redis, rule: str) -> None:
    """Forget what was remembered of a rule's alerts: should it be added again it begins anew."""
    prefix = f"{settings.redis_prefix}alerts:held:{rule}:"
    escaped = "".join("\\" + c if c in "*?[]\\" else c for c in prefix)
    keys = list(client.scan_iter(match=escaped + "*", count=1000))
    client.delete(f"{settings.redis_prefix}alerts:top:{rule}", *keys)


def _body(fields: dict[bytes, bytes]) -> dict[str, Any]:
    body: dict[str, Any] = orjson.loads(fields[b"json"])
    return body | {name.decode(): value.decode() for name, value in fields.items() if name != b"json"}
