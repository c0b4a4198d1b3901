"""What is kept in Redis beside the feed of alerts; no numpy, so that commands start at once."""

from __future__ import annotations

from typing import Any

import orjson
import redis

from streams.settings import Settings


def undelivered(settings: Settings, client: redis.Redis, n: int) -> list[dict[str, Any]]:
    """Return the last `n` alerts that no webhook took, oldest first, each with `why` and its `attempts`."""
    entries: Any = client.xrevrange(f"{settings.redis_prefix}alerts:undelivered", count=n)
    return [_body(fields) for _, fields in reversed(entries)]


def forget_rule(settings: Settings, client: redis.Redis, rule: str) -> None:
    """Forget what was remembered of a rule's alerts: should it be added again it begins anew."""
    prefix = f"{settings.redis_prefix}alerts:held:{rule}:"
    escaped = "".join("\\" + c if c in "*?[]\\" else c for c in prefix)
    keys = list(client.scan_iter(match=escaped + "*", count=1000))
    client.delete(f"{settings.redis_prefix}alerts:top:{rule}", *keys)


def _body(fields: dict[bytes, bytes]) -> dict[str, Any]:
    body: dict[str, Any] = orjson.loads(fields[b"json"])
    return body | {name.decode(): value.decode() for name, value in fields.items() if name != b"json"}
