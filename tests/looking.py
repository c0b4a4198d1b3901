"""What somebody who looks on meanwhile sees: the change feed, and the boards."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import redis
from harness import Deployment

from streams.settings import Settings
from streams.tables.entity_rows import COUNTS

Version = tuple[str, int]  # entity, ver
_END = b"end"


class Follower(threading.Thread):
    """Notes what a subscriber of `cs:changes` is sent, in order."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(daemon=True)
        self.told: list[Version] = []
        self._channel = f"{settings.redis_prefix}changes"
        # No timeout: one in the middle of a message would lose it.
        self._client = redis.Redis.from_url(settings.redis, socket_timeout=None)
        self._feed = self._client.pubsub(ignore_subscribe_messages=True)
        self._feed.subscribe(self._channel)
        self.start()

    def run(self) -> None:
        """Listen."""
        for message in self._feed.listen():
            if message["data"] == _END:
                return
            self.told.append(version_of(message["data"]))

    def catch_up(self, running: Deployment) -> None:
        """Wait until all that was published so far is noted."""
        running.client.publish(self._channel, json.dumps({"entity": "", "ver": 0}))
        running.wait_for(lambda: self.told[-1:] == [("", 0)], "the last change")
        self.told.pop()

    def close(self) -> None:
        """Stop listening."""
        self._client.publish(self._channel, _END)
        self.join(5)
        self._feed.close()
        self._client.close()


def version_of(text: bytes) -> Version:
    """Return the entity and version of a change."""
    change = json.loads(text)
    return change["entity"], change["ver"]


def twice_or_back(versions: Sequence[Version]) -> list[Version]:
    """Return what was told again, or after a newer version of the same entity."""
    newest: dict[str, int] = {}
    return [(entity, ver) for entity, ver in versions if newest.setdefault(entity, -1) >= ver or newest.update({entity: ver})]


def integers(running: Deployment) -> dict[str, tuple[bytes, ...]]:
    """Return the counts of every entity in Redis."""
    prefix = f"{running.settings.redis_prefix}score:"
    keys = list(running.client.scan_iter(f"{prefix}*", count=5_000))
    with running.client.pipeline(transaction=False) as ask:
        for key in keys:
            ask.hmget(key, COUNTS)
        return {key.decode().removeprefix(prefix): tuple(found) for key, found in zip(keys, ask.execute(), strict=True)}


@contextmanager
def watching_boards(settings: Settings) -> Iterator[Counter[tuple[int, int, int]]]:
    """Count what a reader sees at one moment, as often as it can look: (complete, places on standing, places on trending)."""
    seen: Counter[tuple[int, int, int]] = Counter()
    ended = threading.Event()
    failures: list[BaseException] = []
    prefix = settings.redis_prefix

    def watch() -> None:
        try:
            look_on()
        except BaseException as e:  # told by who asked to look: a watcher that died saw nothing bad
            failures.append(e)

    def look_on() -> None:
        with redis.Redis.from_url(settings.redis) as client:
            while not ended.is_set():
                with client.pipeline(transaction=True) as look:
                    look.exists(f"{prefix}epoch")
                    look.zcard(f"{prefix}board:all:standing")
                    look.zcard(f"{prefix}board:all:trending")
                    seen[tuple(look.execute())] += 1  # type: ignore[index]  # three numbers
                time.sleep(0.0005)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        ended.set()
        thread.join(10)
    assert not thread.is_alive()
    if failures:
        raise failures[0]
