"""Following the change feed and the alerts on a real server: nothing twice, nothing lost, whatever goes away meanwhile."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

import pytest
import redis

from streams.embedded import EmbeddedRedis
from streams.reader import AsyncReader, Reader, ScoreChange
from streams.redis.client import session
from streams.settings import Settings

WAIT_S = 20.0


@pytest.fixture
def client(settings: Settings) -> Iterator[redis.Redis]:
    with session(settings) as client:
        yield client


def tell(settings: Settings, client: redis.Redis, *numbers: int, entity: str = "account:ann") -> None:
    """Add a change for each number, which is its version and its id in the stream of a partition."""
    for number in numbers:
        change: dict[str, Any] = {"entity": entity, "before": 1.0, "after": 2.0, "ver": number, "at": 5.0}
        change["causes"] = [{"kind": "like", "actor": "bob", "points": 0.5}]
        stream = f"{settings.redis_prefix}changes:{number % settings.partitions}"
        client.xadd(stream, {"json": json.dumps(change)}, id=f"{number}-0")


def versions(changes: list[ScoreChange]) -> list[int]:
    return sorted(change.ver for change in changes)


def test_what_is_there_comes_once_and_then_what_is_new(settings: Settings, client: redis.Redis) -> None:
    tell(settings, client, *range(1, 30))
    feed = Reader(settings, client).follow(position="oldest")
    assert feed.position == {f"changes:{p}": "0-0" for p in range(settings.partitions)}
    changes = feed.read()
    assert versions(changes) == list(range(1, 30))
    assert (changes[0].entity, changes[0].after, changes[0].causes[0].actor) == ("account:ann", 2.0, "bob")
    assert feed.read(wait_s=0.0) == []
    tell(settings, client, 31, 30)
    assert versions(feed.read()) == [30, 31]


def test_from_the_newest_it_tells_what_comes_after_the_first_look(settings: Settings, client: redis.Redis) -> None:
    tell(settings, client, 1, 2, 3)
    feed = Reader(settings, client).follow()
    assert feed.position is None
    assert feed.read(wait_s=0.0) == []
    assert feed.position is not None
    tell(settings, client, 4, 5, 6, 7)  # one of a partition that had nothing
    assert versions(feed.read()) == [4, 5, 6, 7]


def test_a_position_is_taken_up_where_it_was_given(settings: Settings, client: redis.Redis) -> None:
    tell(settings, client, *range(1, 1200))
    reader = Reader(settings, client)
    seen: list[ScoreChange] = []
    position: Any = "oldest"
    for part in (1, 7, 500, 1):  # ends in the middle of what was read
        feed = reader.follow(position=position)
        seen += islice(feed, part)
        position = json.loads(json.dumps(feed.position))
    while rest := reader.follow(position=position).read(wait_s=0.0):
        feed = reader.follow(position=position)
        assert versions(feed.read(wait_s=0.0)) == versions(rest)
        seen, position = seen + rest, feed.position
    assert versions(seen) == list(range(1, 1200))


def test_a_position_whose_changes_are_no_longer_kept_is_said(settings: Settings, client: redis.Redis) -> None:
    reader, stream = Reader(settings, client), f"{settings.redis_prefix}changes:0"
    tell(settings, client, 4, 8, 12, 16, 20)
    for ver, kept, is_gapless in (
        (4, 5, True),
        (8, 4, True),
        (12, 3, True),
        (8, 2, False),
        (16, 2, True),
        (20, 1, True),
        (12, 1, False),
    ):
        client.xtrim(stream, kept, approximate=False)
        feed = reader.follow(position={"changes:0": f"{ver}-0"})
        assert feed.is_gapless  # nothing is known before a look
        feed.read(wait_s=0.0)
        assert feed.is_gapless == is_gapless, (ver, kept)
    for start in ("oldest", "newest"):
        feed = reader.follow(position=start)  # type: ignore[arg-type]  # the two words
        feed.read(wait_s=0.0)
        assert feed.is_gapless


def test_it_tells_of_a_board_or_of_some_accounts(settings: Settings, client: redis.Redis) -> None:
    tell(settings, client, 1, 2)
    tell(settings, client, 5, 6, entity="account:bob")
    tell(settings, client, 9, entity="account:ann@topic:ai")
    reader = Reader(settings, client)
    assert versions(reader.follow(scope="all", position="oldest").read()) == [1, 2, 5, 6]
    assert versions(reader.follow(scope="topic:ai", position="oldest").read()) == [9]
    assert versions(reader.follow(accounts=["ann"], position="oldest").read()) == [1, 2, 9]
    assert versions(reader.follow(scope="all", accounts=["ann"], position="oldest").read()) == [1, 2]
    feed = reader.follow(accounts=["nobody"], position="oldest")
    assert feed.read(wait_s=0.0) == []
    assert feed.position == {"changes:0": "0-0", "changes:1": "9-0", "changes:2": "6-0", "changes:3": "0-0"}


def test_whoever_waits_is_woken(settings: Settings, client: redis.Redis) -> None:
    feed = Reader(settings, client).follow()
    feed.read(wait_s=0.0)
    found: list[ScoreChange] = []
    waiting = threading.Thread(target=lambda: found.extend(feed.read(wait_s=WAIT_S)))
    waiting.start()
    tell(settings, client, 3)
    waiting.join(WAIT_S)
    assert versions(found) == [3]


def test_a_redis_that_is_started_anew_loses_nothing_and_tells_nothing_twice(server: EmbeddedRedis, settings: Settings) -> None:
    settings = replace(settings, redis=server.url)
    seen: list[ScoreChange] = []
    problems: list[str | None] = []
    with Reader.connect(settings) as reader, redis.Redis.from_url(server.url) as client:
        feed = reader.follow(position="oldest")
        tell(settings, client, *range(1, 50))
        seen += islice(feed, 20)
        seen += feed.read()
        server.stop()
        seen += feed.read(wait_s=0.3)
        problems.append(feed.problem)
        server.start()
        # The publisher goes on where it was; what it wasn't sure of comes once more, at the ids that it had.
        tell(settings, client, *range(45, 80))
        deadline = time.monotonic() + WAIT_S
        while len(seen) < 79 and time.monotonic() < deadline:
            seen += feed.read()
        problems.append(feed.problem)
    assert versions(seen) == list(range(1, 80))
    assert problems[0] is not None
    assert "can't be reached" in problems[0]
    assert problems[1] is None


def test_a_redis_that_comes_back_without_what_was_read_is_said(server: EmbeddedRedis, settings: Settings) -> None:
    settings = replace(settings, redis=server.url)
    with Reader.connect(settings) as reader, redis.Redis.from_url(server.url) as client:
        feed = reader.follow(position="oldest")
        tell(settings, client, 1, 2, 3)
        assert versions(feed.read()) == [1, 2, 3]
        server.stop()
        assert feed.read(wait_s=0.1) == []
        assert feed.is_gapless
        server.start()
        # What was told in between, and lost with the server's memory, nobody can know.
        tell(settings, client, 9)
        deadline = time.monotonic() + WAIT_S
        seen: list[ScoreChange] = []
        while not seen and time.monotonic() < deadline:
            seen = feed.read()
    assert versions(seen) == [9]
    assert not feed.is_gapless


async def test_the_feed_for_asyncio_survives_a_restart_too(server: EmbeddedRedis, settings: Settings) -> None:
    settings = replace(settings, redis=server.url)
    seen: list[ScoreChange] = []
    async with await AsyncReader.connect(settings) as reader:
        with redis.Redis.from_url(server.url) as client:
            tell(settings, client, *range(1, 20))

            async def follow() -> None:
                async for change in reader.follow(position="oldest"):
                    seen.append(change)
                    if len(seen) == 39:
                        return

            following = asyncio.create_task(follow())
            while len(seen) < 19:
                await asyncio.sleep(0.01)
            server.stop()
            await asyncio.sleep(0.1)
            server.start()
            tell(settings, client, *range(15, 40))
            await asyncio.wait_for(following, WAIT_S)
    assert versions(seen) == list(range(1, 40))


def test_alerts_are_listed_newest_first_and_followed(settings: Settings, client: redis.Redis) -> None:
    reader = Reader(settings, client)
    assert reader.alerts() == []
    stream = f"{settings.redis_prefix}alerts"
    for number in range(1, 6):
        client.xadd(stream, {"json": json.dumps({"id": f"r1:{number}"})}, id=f"{number}-0")
    assert [alert["id"] for alert in reader.alerts(n=2)] == ["r1:5", "r1:4"]
    feed = reader.follow_alerts(position="oldest")
    assert [alert["id"] for alert in feed.read()] == [f"r1:{number}" for number in range(1, 6)]
    assert feed.position == {"alerts": "5-0"}
    client.xadd(stream, {"json": '{"id":"r1:6"}'}, id="6-0")
    assert reader.follow_alerts(position={"alerts": "5-0"}).read() == [{"id": "r1:6"}]
