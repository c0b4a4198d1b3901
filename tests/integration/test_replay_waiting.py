"""The wait of `replay --wait`, by offsets: the test moves them as a worker would."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
import redis
import services

from streams.errors import ServiceUnavailable
from streams.kafka.topics import create_topics
from streams.replay.producing import Feed
from streams.replay.waiting import Progress, wait_until_published
from streams.settings import Settings

PARTITIONS = 2


@pytest.fixture(scope="module")
def settings() -> Iterator[Settings]:
    with services.own_settings(partitions=PARTITIONS) as settings:
        create_topics(settings)
        yield settings


@pytest.fixture
def client(settings: Settings) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(settings.redis) as client:
        client.flushall()
        yield client


async def send(settings: Settings, topic: str, count: int) -> None:
    async with Feed(settings, topic) as feed:
        await feed.send([b"%d" % i for i in range(count)], [b"{}"] * count)


async def test_each_stage_is_waited_for_in_turn(settings: Settings, client: redis.Redis) -> None:
    for topic in ("events", settings.engagements_topic, settings.scores_topic):
        await send(settings, topic, 100)
    seen: list[Progress] = []
    waiting = threading.Thread(target=wait_until_published, args=(settings, client), kwargs={"on_progress": seen.append})
    waiting.start()
    for field, stage in (("position:events", "reading"), ("applied_engagements", "applying"), ("", "publishing")):
        deadline = time.monotonic() + 5
        while not (seen and seen[-1].stage == stage) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert (seen[-1].stage, seen[-1].done, seen[-1].total) == (stage, 0, 100)
        for p in range(PARTITIONS):
            if field:
                client.hset(f"cs:stats:{p}", field, "100")
            else:
                client.set(f"cs:published:{p}", "100")
    waiting.join(5)
    assert not waiting.is_alive()
    assert [p.done for p in seen if p.stage == "publishing"][-1] == 100


async def test_a_wait_in_which_nothing_moves_ends_and_says_where(settings: Settings, client: redis.Redis) -> None:
    await send(settings, "events", 10)
    with pytest.raises(
        ServiceUnavailable, match=r"nothing moved for 0 s while reading: events\[0\] is at offset 0 of \d+; expected"
    ):
        wait_until_published(settings, client, idle_limit_s=0.3)


async def test_the_wait_ends_when_the_caller_finds_the_worker_gone(settings: Settings, client: redis.Redis) -> None:
    class Gone(Exception):
        pass

    def check(_: Progress) -> None:
        raise Gone

    with pytest.raises(Gone):
        wait_until_published(settings, client, on_progress=check)
