"""Probes from outside: how long after an event for an account that nothing else touches that account is in Redis.

An event is sent every 50 ms, and Redis is asked every millisecond. Probes go through kafka-python with no linger and wait for
nobody: a slow one doesn't hold back the next.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import redis

from streams.errors import CloutstreamError
from streams.kafka.clients import producer
from streams.settings import Settings

PROBE_S, POLL_S = 0.05, 0.001
SETTLE_S = 20.0


class Prober:
    """A context manager that sends probes to the input topic.

    Args:
        settings: where Kafka is, and the topic.
        client: of Redis.
        redis_key: account -> the key that is there once it has a score.
        keyed_by: `actor` or `author`: what records of the topic are keyed by.
    """

    def __init__(self, settings: Settings, client: redis.Redis, redis_key: Callable[[str], str], keyed_by: str = "actor") -> None:
        self._topic, self._client, self._redis_key, self._keyed_by = settings.topic_names[0], client, redis_key, keyed_by
        self._sender: Any = producer(settings, linger_ms=0)

    def __enter__(self) -> Prober:
        return self

    def __exit__(self, *_: object) -> None:
        self._sender.close(timeout=5)

    def send(self, name: str) -> str:
        """Send a like for an account, and return the key to look for."""
        at_s = int(time.time() * 1000) / 1000
        event = {"id": name, "kind": "like", "actor": f"actor-of-{name}", "author": name, "at": at_s}
        self._sender.send(self._topic, key=str(event[self._keyed_by]).encode(), value=json.dumps(event).encode())
        return self._redis_key(name)

    def late_ms(self, seconds: float, look: Callable[[], None]) -> list[float]:
        """Send probes for so long, and return how late each was.

        Args:
            seconds: how long.
            look: called between two looks at Redis; raises where going on makes no sense.

        Raises:
            CloutstreamError: some were not in Redis 20 s after the last was sent.
        """
        begun, sent = time.monotonic(), 0
        waiting, late_ms = dict[str, float](), list[float]()
        while waiting or time.monotonic() < begun + seconds:
            look()
            now = time.monotonic()
            if now > begun + seconds + SETTLE_S:
                raise CloutstreamError(
                    f"{len(waiting)} of {sent} probes were not in Redis {SETTLE_S:.0f} s after the last was sent"
                )
            if begun + sent * PROBE_S <= now < begun + seconds:
                at = time.monotonic()
                waiting[self.send(f"probe-{sent}")] = at
                sent += 1
            for key in self.there(list(waiting)):
                late_ms.append((time.monotonic() - waiting.pop(key)) * 1000)
            time.sleep(POLL_S)
        return late_ms

    def there(self, keys: list[str]) -> list[str]:
        """Return which of the keys exist."""
        pipe: Any = self._client.pipeline(transaction=False)
        for key in keys:
            pipe.exists(key)
        return [key for key, found in zip(keys, pipe.execute(), strict=True) if found]
