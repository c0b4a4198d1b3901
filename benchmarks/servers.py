"""A broker and a Redis of a benchmark's own, and filling an input topic."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import redis

from streams.embedded import EmbeddedBroker, EmbeddedRedis
from streams.kafka.topics import create_topics
from streams.redis.client import connect
from streams.replay.producing import Feed
from streams.replay.readers import Records
from streams.settings import Settings


@dataclass(frozen=True)
class Servers:
    """Both running, with empty topics."""

    settings: Settings
    client: redis.Redis
    broker_pid: int
    redis_pid: int


@contextmanager
def servers(clock: str = "event") -> Iterator[Servers]:
    """Run both, with the settings `replay --embedded` has; nothing of them is left at the end of the block.

    Args:
        clock: what readers take as now.
    """
    with EmbeddedBroker() as broker, EmbeddedRedis() as server:
        settings = Settings(kafka=broker.address, redis=server.url, partitions=2, session_timeout_s=6.0, clock=clock)
        create_topics(settings)
        client = connect(settings)
        try:
            yield Servers(settings, client, broker.pid, server.pid)
        finally:
            client.close()


def preload(settings: Settings, blocks: Iterable[Records]) -> None:
    """Send events to the input topic and return when Kafka has them."""

    async def send() -> None:
        async with Feed(settings, settings.topic_names[0]) as feed:
            for block in blocks:
                await feed.send(block.keys, block.values)

    asyncio.run(send())
