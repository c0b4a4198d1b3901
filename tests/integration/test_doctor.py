"""`topics`, `doctor` and `rebuild` on a real broker and a real Redis."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import redis
from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.cli import main
from streams.columns.hashing import hash_names
from streams.columns.texts import Texts
from streams.events.engagements import LIKE, TWEET, UNDO_BIT, Engagements, encode
from streams.kafka.clients import producer
from streams.kafka.topics import create_topics
from streams.redis.client import session
from streams.settings import Settings

Run = Callable[..., tuple[int, Any]]


@pytest.fixture
def client(settings: Settings) -> Iterator[redis.Redis]:
    with session(settings) as client:
        yield client


@pytest.fixture
def run(settings: Settings, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Run a command and return its exit code and parsed JSON, or what it said where it printed none."""

    def run(*words: str, settings: Settings = settings) -> tuple[int, Any]:
        for name, value in settings.to_environ().items():
            monkeypatch.setenv(name, value)
        code = main([*words, "--json"])
        out, err = capfd.readouterr()
        return code, json.loads(out) if out else err

    return run


@pytest.fixture
async def member(settings: Settings) -> AsyncIterator[None]:
    """Someone in the workers' consumer group."""
    create_topics(settings)
    consumer = AIOKafkaConsumer(
        settings.topic_names[0], bootstrap_servers=settings.kafka, group_id=settings.app_id, session_timeout_ms=6000
    )
    await consumer.start()
    async with asyncio.timeout(20):
        while not consumer.assignment():
            await asyncio.sleep(0.05)
    # The embedded broker lists a group only once something was committed.
    await consumer.commit(dict.fromkeys(consumer.assignment(), 0))
    yield
    await consumer.stop()


def found(checks: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {check["check"]: check for check in checks}


def send_engagements(settings: Settings, kinds: list[int], weight: float) -> None:
    """Write one record of engagements with an account, and the same inside a topic, as intake does."""
    import numpy as np

    names = [b"account:ann", b"account:bob", b"account:ann@topic:ai"]
    n = 2 * len(kinds)
    lo, hi = hash_names(names)
    factors = {name: np.ones(n, "f4") for name in ("trust", "budget", "repeat", "reciprocity", "standing")}
    batch = Engagements(
        source_topic=settings.topic_names[0], source_partition=0, base_offset=0, at=np.full(n, 1.7e9),
        e=np.repeat(np.arange(len(kinds), dtype="u4"), 2), target=np.tile(np.array([0, 2], "u4"), len(kinds)),
        actor=np.ones(n, "u4"), kind_weight=np.full(n, weight, "f4"), flags=np.repeat(np.array(kinds, "u1"), 2),
        lo=lo, hi=hi, names=Texts.of(names), **factors,
    )  # fmt: skip
    sender = producer(settings)
    sender.send(settings.engagements_topic, value=encode(batch), partition=0)
    sender.flush()
    sender.close()


async def commit(settings: Settings, offset: int) -> None:
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka, group_id=settings.app_id, enable_auto_commit=False)
    await consumer.start()
    try:
        partition = TopicPartition(settings.topic_names[0], 0)
        consumer.assign([partition])
        await consumer.commit({partition: offset})
    finally:
        await consumer.stop()


def test_topics_are_created_once_and_checked(settings: Settings, run: Run) -> None:
    code, said = run("topics", "check")
    assert code == 78
    assert "cloutstream topics create" in said
    code, said = run("topics", "create")
    assert (code, {topic["created"] for topic in said["topics"]}, said["partitions"]) == (0, {True}, settings.partitions)
    code, said = run("topics", "create")
    assert (code, {topic["created"] for topic in said["topics"]}) == (0, {False})
    assert run("topics", "check")[0] == 0
    code, said = run("topics", "check", settings=replace(settings, partitions=settings.partitions + 1))
    assert code == 78
    assert f"expected {settings.partitions + 1}" in said


def test_missing_topics_end_doctor_with_78(run: Run) -> None:
    code, checks = run("doctor")
    assert code == 78
    assert [found(checks)[name]["status"] for name in ("redis", "kafka", "topics")] == ["ok", "ok", "fail"]


def test_a_service_that_is_away_ends_doctor_with_69_and_the_other_is_still_looked_at(settings: Settings, run: Run) -> None:
    create_topics(settings)
    code, checks = run("doctor", settings=replace(settings, redis="redis://127.0.0.1:1/0"))
    assert code == 69
    assert (found(checks)["redis"]["status"], found(checks)["topics"]["status"]) == ("fail", "ok")


def test_doctor_reports_lag_counts_completeness_and_the_usual_engagement(
    settings: Settings, client: redis.Redis, run: Run
) -> None:
    create_topics(settings)
    code, checks = run("doctor")
    assert (code, found(checks)["lag"]["status"], found(checks)["published"]["complete"]) == (0, "ok", False)
    assert found(checks)["engagement per post"]["observed"] is None

    sender = producer(settings)
    for _ in range(10):
        sender.send(settings.topic_names[0], value=b"{}", partition=0)
    sender.flush()
    sender.close()
    assert found(run("doctor")[1])["lag"]["status"] == "warn"

    asyncio.run(commit(settings, 4))
    client.set(f"{settings.redis_prefix}epoch", "1")
    client.hset(f"{settings.redis_prefix}stats:1", mapping={"applied": 4, "refused": 2, "misplaced": 1})
    send_engagements(settings, [TWEET, TWEET, LIKE, LIKE, LIKE, LIKE | UNDO_BIT], weight=0.5)
    code, checks = run("doctor")
    by_name = found(checks)
    assert code == 0
    assert by_name["lag"]["lag_messages"] == {settings.topic_names[0]: 6, settings.engagements_topic: 1}
    assert (by_name["events"]["refused"], by_name["events"]["misplaced"], by_name["events"]["status"]) == (2, 1, "warn")
    assert by_name["published"]["complete"] is True
    assert (by_name["engagement per post"]["observed"], by_name["engagement per post"]["posts"]) == (0.75, 2)


def test_rebuild_without_a_worker_ends_with_69_and_changes_nothing(settings: Settings, client: redis.Redis, run: Run) -> None:
    create_topics(settings)
    client.set(f"{settings.redis_prefix}epoch", "1")
    code, said = run("rebuild", "--timeout", "1")
    assert code == 69
    assert "cloutstream worker" in said
    assert client.exists(f"{settings.redis_prefix}epoch")


async def test_rebuild_removes_the_mark_and_ends_when_it_is_set_again(
    settings: Settings, client: redis.Redis, run: Run, member: None
) -> None:
    epoch = f"{settings.redis_prefix}epoch"
    client.set(epoch, "1")

    async def publish() -> None:
        while client.exists(epoch):
            await asyncio.sleep(0.01)
        client.set(epoch, "2")

    publisher = asyncio.create_task(publish())
    code, said = await asyncio.to_thread(run, "rebuild", "--timeout", "20")
    async with asyncio.timeout(5):
        await publisher
    assert (code, said["accounts"]) == (0, 0)
    assert client.get(epoch) == b"2"


async def test_rebuild_gives_up_in_time_and_says_that_it_goes_on(settings: Settings, run: Run, member: None) -> None:
    code, said = await asyncio.to_thread(run, "rebuild", "--timeout", "0.5")
    assert code == 69
    assert "wasn't complete after 0.5 s" in said
