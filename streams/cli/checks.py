"""What `doctor` looks at in Redis: each check says in one line what it found, and what to do where that isn't well."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import redis

from streams.errors import CloutstreamError, ConfigurationError, ServiceUnavailable
from streams.reader import Reader
from streams.redis.client import address, session
from streams.settings import Settings

OLDEST_REDIS, OLDEST_VALKEY = (6, 2), (7, 2)


@dataclass(frozen=True, slots=True)
class Check:
    """One finding; `exit_code` is what a failure ends the command with."""

    name: str
    status: Literal["ok", "warn", "fail"]
    says: str
    values: dict[str, Any] = field(default_factory=dict)
    exit_code: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as printed with `--json`."""
        return {"check": self.name, "status": self.status, "says": self.says, **self.values}


def failed(name: str, error: CloutstreamError) -> Check:
    """Return the finding of a check that could not be made."""
    return Check(name, "fail", str(error), exit_code=error.exit_code)


def redis_checks(settings: Settings) -> Iterator[Check]:
    """Yield the findings about the server and what is published there."""
    try:
        with session(settings) as client:
            yield from _server(settings, client)
            yield from _published(Reader(settings, client))
    except (ServiceUnavailable, ConfigurationError) as e:
        yield failed("redis", e)


def _server(settings: Settings, client: redis.Redis) -> Iterator[Check]:
    info: dict[str, Any] = client.info()
    is_valkey = "valkey_version" in info
    name, version = ("Valkey", str(info["valkey_version"])) if is_valkey else ("Redis", str(info["redis_version"]))
    oldest = OLDEST_VALKEY if is_valkey else OLDEST_REDIS
    values: dict[str, Any] = {"server": name, "version": version}
    if tuple(int(n) for n in re.findall(r"\d+", version)[:2]) < oldest:
        says = f"{name} {version} at {address(settings.redis)}; expected {'.'.join(map(str, oldest))} or newer"
        yield Check("redis", "fail", says, values, ConfigurationError.exit_code)
    else:
        yield Check("redis", "ok", f"{name} {version} at {address(settings.redis)}", values)
    policy, limit_bytes = str(info.get("maxmemory_policy", "unknown")), int(info.get("maxmemory", 0))
    values = {"maxmemory_policy": policy, "maxmemory_bytes": limit_bytes}
    if policy == "noeviction":
        yield Check("redis memory", "ok", "maxmemory-policy noeviction", values)
        return
    says = f"maxmemory-policy is {policy}; expected noeviction, since an evicted board is silently wrong: CONFIG SET it"
    yield Check(
        "redis memory", "fail" if limit_bytes else "warn", says, values, ConfigurationError.exit_code if limit_bytes else 0
    )


def _published(reader: Reader) -> Iterator[Check]:
    if reader.is_complete():
        yield Check("published", "ok", f"complete, {reader.size():,} accounts", {"complete": True, "accounts": reader.size()})
    else:
        yield Check(
            "published", "warn", "not complete: no worker has published everything yet, or a rebuild runs", {"complete": False}
        )
    counts = reader.stats().outcomes
    says = ", ".join(f"{count:,} {name}" for name, count in counts.items())
    hints = []
    if counts["misplaced"]:
        hints.append("misplaced: a producer doesn't place by murmur2 of the actor (librdkafka: partitioner=murmur2_random)")
    if counts["refused"]:
        hints.append("refused: see `cloutstream dead-letters list`")
    yield Check("events", "warn" if hints else "ok", "; ".join([says, *hints]), dict(counts))
