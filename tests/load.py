"""Events for tests to feed workers with: made up, sent at once or at a steady rate from a thread."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import count as counting
from itertools import islice
from typing import Any, NamedTuple

import msgspec

from streams.errors import CloutstreamError
from streams.replay.producing import Feed
from streams.settings import Settings
from streams.simulation import generate


class Record(NamedTuple):
    """What is sent: key and value."""

    key: bytes
    value: bytes | None


def send(settings: Settings, records: Sequence[Record], topic: str | None = None) -> None:
    """Send records and wait until Kafka has them."""

    async def run() -> None:
        async with Feed(settings, topic or settings.topic_names[0]) as feed:
            await feed.send([r.key for r in records], [r.value for r in records])  # type: ignore[misc]  # null on purpose

    asyncio.run(run())


class Load(threading.Thread):
    """Sends records at a steady rate from a thread of its own; `finish` waits for it, or sends the rest at once.

    A `patient` one goes on when Kafka comes back: what wasn't acknowledged is sent again, as a producer in earnest would. One of
    endless records sends `least` at least, and ends with `finish`.
    """

    def __init__(
        self, settings: Settings, records: Iterable[Record], rate_per_s: float, *, patient: bool = False, least: int | None = None
    ) -> None:
        super().__init__(daemon=True)
        self._settings, self._records, self._rate = settings, iter(records), rate_per_s
        self._patient, self._least = patient, least
        self._hurry = threading.Event()
        self._failure: BaseException | None = None
        self._part: list[Record] = []
        self.sent = 0
        self.start()

    def run(self) -> None:
        """Send."""
        try:
            asyncio.run(self._run())
        except BaseException as e:
            self._failure = e

    async def _run(self) -> None:
        begun = time.monotonic()
        while True:
            try:
                async with Feed(self._settings, self._settings.topic_names[0]) as feed:
                    await self._send(feed, begun)
                return
            except CloutstreamError:
                if not self._patient:
                    raise
                await asyncio.sleep(0.5)

    async def _send(self, feed: Feed, begun: float) -> None:
        step = max(1, int(self._rate * 0.02))
        while not (self._hurry.is_set() and self._least is not None and self.sent >= self._least):
            self._part = part = self._part or list(islice(self._records, step))
            if not part:
                return
            await feed.send([r.key for r in part], [r.value for r in part])  # type: ignore[misc]  # null on purpose
            await feed.dispatch()
            if self._patient:
                await feed.flush()
            self.sent, self._part = self.sent + len(part), []
            wait_s = begun + self.sent / self._rate - time.monotonic()
            if wait_s > 0 and not self._hurry.is_set():
                await asyncio.sleep(wait_s)

    @property
    def is_done(self) -> bool:
        """Whether everything was sent."""
        return not self.is_alive()

    def finish(self, *, hurry: bool = True, timeout_s: float = 120) -> None:
        """Return when Kafka has all; raises what went wrong."""
        if hurry:
            self._hurry.set()
        self.join(timeout_s)
        if self._failure is not None:
            raise self._failure
        assert not self.is_alive()


POISON = [
    b"no json",
    b"",
    b'{"id":',
    b'{"id":"x"}\n{"id":"y"}',
    b'{"id":"","kind":"like","actor":"a","author":"b","at":1}',
    b"\xff\xfe",
    b" ",
]
_encode = msgspec.json.encode
_EARLIER = 50_000  # records of which one may be sent again


def like(number: int, actor: str, author: str, at_s: float, kind: str = "like", **more: Any) -> Record:
    """Return an event with an id of its own."""
    event = {"id": f"like{number}", "kind": kind, "actor": actor, "author": author, "at": at_s, **more}
    return Record(actor.encode(), _encode(event))


def lively_events(count: int, seed: int, start_s: float) -> list[Record]:
    """Return the first `count` records of `lively`."""
    return list(islice(lively(seed, start_s), count))


def lively(seed: int, start_s: float, *, poison: bool = True) -> Iterator[Record]:
    """Yield records for ever: a simulated network with undos and tags, 5 % sent twice, some poison and self-engagements."""
    chance, numbers = random.Random(seed), counting()
    earlier: list[Record] = []
    for batch in generate(3000, 5000.0, seed, start_s):
        for key, value in zip(batch.keys, batch.values, strict=True):
            record = Record(key, value)
            yield record
            if len(earlier) < _EARLIER:
                earlier.append(record)
            else:
                earlier[chance.randrange(_EARLIER)] = record
            drawn = chance.random()
            if drawn < 0.05:  # sent again at once, or much later
                yield record if drawn < 0.02 else chance.choice(earlier)
            elif drawn < 0.052 and poison:
                yield Record(key, chance.choice(POISON))
            elif drawn < 0.056:
                own = {
                    "id": f"self{seed}.{next(numbers)}",
                    "kind": "like",
                    "actor": key.decode(),
                    "author": key.decode(),
                    "at": start_s,
                }
                yield Record(key, _encode(own))
