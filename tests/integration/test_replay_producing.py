"""Producing to a real broker: every record there, where Kafka's own placement puts it, in order."""

from __future__ import annotations

import contextlib
import gc
import time
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest
import services
from kafka import KafkaConsumer, TopicPartition
from kafka.partitioner.default import murmur2

from streams.errors import ConfigurationError, ServiceUnavailable
from streams.kafka.topics import create_topics, end_offsets
from streams.replay.producing import Feed, paced
from streams.replay.readers import Records
from streams.settings import Settings

PARTITIONS = 4


@pytest.fixture(scope="module")
def settings() -> Iterator[Settings]:
    with services.own_settings(partitions=PARTITIONS, input_topics="events,second,third") as settings:
        create_topics(settings)
        yield settings


async def send(settings: Settings, topic: str, blocks: list[Records]) -> None:
    async with Feed(settings, topic) as feed:
        for block in blocks:
            await feed.send(block.keys, block.values)
    assert sum(len(block.values) for block in blocks) == feed.count


def read_all(settings: Settings, topic: str, expected: int) -> list[Any]:
    """Read with a plain client until `expected` records came and then half a second no more."""
    records: list[Any] = []
    with contextlib.closing(KafkaConsumer(bootstrap_servers=settings.kafka, group_id=None)) as consumer:
        consumer.assign([TopicPartition(topic, p) for p in range(PARTITIONS)])
        consumer.seek_to_beginning()
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            polled = consumer.poll(timeout_ms=500)
            records += [record for part in polled.values() for record in part]
            if not polled and len(records) >= expected:
                return records
    return records


async def test_all_records_are_there_once_where_kafka_places_them_and_in_the_order_of_their_key(settings: Settings) -> None:
    keys: list[bytes | None] = [f"aktør-{i % 701}".encode() for i in range(40_000)]
    values = [b"%d" % i for i in range(40_000)]
    blocks = [Records(keys[start : start + 3001], values[start : start + 3001]) for start in range(0, 40_000, 3001)]
    await send(settings, "events", blocks)
    records = read_all(settings, "events", 40_000)
    assert len(records) == 40_000
    assert sorted(values) == sorted(r.value for r in records)
    by_key = defaultdict(list)
    for r in records:
        assert (murmur2(r.key) & 0x7FFFFFFF) % PARTITIONS == r.partition
        assert keys[int(r.value)] == r.key
        by_key[r.key].append(int(r.value))
    assert all(sent == sorted(sent) for sent in by_key.values())


async def test_records_larger_than_a_batch_empty_ones_and_ones_without_a_key_arrive(settings: Settings) -> None:
    values = [b"x" * 900_000, b"", b"y", b"z" * 300_000]
    await send(settings, "second", [Records([b"a", None, None, b"a"], values)])
    assert sorted(values) == sorted(r.value for r in read_all(settings, "second", 4))


async def test_end_offsets_count_every_record_of_the_last_batch(settings: Settings) -> None:
    before = sum(end_offsets(settings, "third").values())
    assert before == 0
    for count in (1, 5, 1000):
        await send(settings, "third", [Records([b"k"] * count, [b"v"] * count)])
        before += count
        assert before == sum(end_offsets(settings, "third").values())


async def test_a_topic_with_another_number_of_partitions_is_refused(settings: Settings) -> None:
    other = Settings(kafka=settings.kafka, redis=settings.redis, partitions=PARTITIONS + 1)
    with pytest.raises(ConfigurationError, match="topic 'events' has 4 partitions; expected 5"):
        async with Feed(other, "events"):
            pass


async def test_a_topic_that_is_not_there_is_refused_and_not_made(settings: Settings) -> None:
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="no topic 'nowhere'"):
            async with Feed(settings, "nowhere"):
                pass


# kafka-python leaves the sockets of refused connections to the garbage collector, which says so.
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
async def test_no_broker_is_said_within_ten_seconds() -> None:
    begun = time.monotonic()
    with pytest.raises(ServiceUnavailable, match=r"Kafka at 127\.0\.0\.1:1 can't be reached"):
        async with Feed(Settings(kafka="127.0.0.1:1"), "events"):
            pass
    assert time.monotonic() - begun < 10
    gc.collect()  # now, and not in a test that follows


async def test_a_rate_is_kept() -> None:
    block = Records([None] * 600, [b""] * 600)
    begun, count = time.monotonic(), 0
    async with contextlib.aclosing(paced([block], 1000.0)) as parts:  # type: ignore[type-var]  # an async generator
        async for part in parts:
            count += len(part.values)
            assert count <= 1000 * (time.monotonic() - begun) + 50 + 1
    assert count == 600
    assert time.monotonic() - begun == pytest.approx(0.55, abs=0.2)
