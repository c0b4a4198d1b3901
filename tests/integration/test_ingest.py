"""Sources into a real Kafka: what arrives, what is kept, and where a source goes on after whatever end."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import networks
import pytest
from aiohttp import web
from networks import Step

from streams.errors import ConfigurationError
from streams.kafka.clients import producer
from streams.kafka.reading import read_topic
from streams.kafka.topics import create_topics, source_topic_specs
from streams.settings import PREFIX, Settings
from streams.sources import Event, Mapped, Position, Source
from streams.sources import run as running
from streams.sources.bluesky.jetstream import Jetstream, Options
from streams.sources.checkpoints import Checkpoints
from streams.sources.cloudevents.source import CloudEvents
from streams.sources.file.mapping import FieldMap
from streams.sources.run import Ingest
from tests import readme

ROOT = Path(__file__).parents[2]
WITHIN_S = 30.0
AT_US = 1_783_175_888_000_000


@pytest.fixture
def topics(settings: Settings) -> Settings:
    """Settings whose topics are there."""
    create_topics(settings)
    create_topics(settings, source_topic_specs(settings))
    return settings


@pytest.fixture(autouse=True)
def short_checkpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "CHECKPOINT_S", 0.2)


class Numbers(Source):
    """Counts up from its position; a number is a like, unless it is 7."""

    name: ClassVar[str] = "numbers"

    def __init__(self, until: int, *, failure: Exception | None = None) -> None:
        self._until, self._failure = until, failure
        self._next = 0
        self.durable_at: list[int] = []

    async def batches(self, position: Position | None) -> AsyncGenerator[Sequence[bytes], None]:
        first = position["next"] if position else 0
        for start in range(first, self._until, 10):
            yield [b"%d" % n for n in range(start, min(start + 10, self._until))]
            await asyncio.sleep(0)
        if self._failure is not None:
            raise self._failure

    def map(self, message: bytes) -> Mapped:
        self._next = int(message) + 1
        if message == b"7":
            return Mapped("unknown seven", dropped="unknown kind", is_kept=True)
        if message == b"8":
            return Mapped("goodbye", is_kept=True, forget="ann")
        actor = "\ud800" if message == b"9" else f"a{int(message) % 5}"
        return Mapped("number", [Event(f"n{message.decode()}", "like", actor, "ben", 1e9 + int(message), network="numbers")])

    def position(self) -> Position | None:
        return {"next": self._next}

    def durable(self) -> None:
        self.durable_at.append(self._next)


async def ingest(settings: Settings, source: Source, *, key: str = "numbers", **more: Any) -> Ingest:
    made = Ingest(settings, source, key)
    await asyncio.wait_for(made.run(asyncio.Event(), **more), WITHIN_S)
    return made


def sent(settings: Settings) -> list[dict[str, Any]]:
    """Return the events in the input topic; each stands in the partition of its actor."""
    records = list(read_topic(settings, settings.topic_names[0]))
    events = [json.loads(record.value or b"") for record in records]
    assert [event["actor"] for event in events] == [(record.key or b"").decode() for record in records]
    assert len({(record.key, record.partition) for record in records}) == len({record.key for record in records})
    return sorted(events, key=lambda event: event["at"])


async def position(settings: Settings, key: str = "numbers") -> Position | None:
    async with Checkpoints(settings, key) as checkpoints:
        return await checkpoints.load()


async def test_what_a_source_gives_is_in_kafka_with_its_position_and_its_counts(topics: Settings) -> None:
    source = Numbers(25)
    made = await ingest(topics, source)
    expected = [n for n in range(25) if n not in (7, 8, 9)]
    assert [event["id"] for event in sent(topics)] == [f"n{n}" for n in expected]
    assert sent(topics)[0] == {"id": "n0", "kind": "like", "actor": "a0", "author": "ben", "at": 1e9, "network": "numbers"}
    assert await position(topics) == {"next": 25}
    assert await position(topics, "another") is None
    assert source.durable_at[-1] == 25
    assert made.counts.messages == {"number": 23, "unknown seven": 1, "goodbye": 1}
    assert made.counts.events == {"like": 22}
    assert made.counts.dropped == {"unknown kind": 1, "not UTF-8": 1}
    assert (made.counts.kept, made.counts.forget) == (3, 1)


async def test_what_is_kept_says_whose_it_is_and_why(topics: Settings) -> None:
    await ingest(topics, Numbers(25))
    kept = [(r.key, r.value, dict(r.headers)) for r in read_topic(topics, topics.kept_topic)]
    assert kept == [
        (b"numbers", b"7", {"kind": b"unknown seven", "forget": b""}),
        (b"numbers", b"8", {"kind": b"goodbye", "forget": b"ann"}),
        (b"numbers", b"9", {"kind": b"number", "forget": b""}),
    ]


async def test_a_source_goes_on_where_it_stopped_or_from_scratch(topics: Settings) -> None:
    await ingest(topics, Numbers(25))
    assert (await ingest(topics, Numbers(30))).counts.messages.total() == 5
    assert (await ingest(topics, Numbers(30), from_scratch=True)).counts.messages.total() == 30
    assert await position(topics) == {"next": 30}


async def test_a_source_that_gives_up_has_what_it_gave_in_kafka(topics: Settings) -> None:
    with pytest.raises(ConfigurationError, match="no more"):
        await ingest(topics, Numbers(25, failure=ConfigurationError("no more")))
    assert await position(topics) == {"next": 25}
    assert len(sent(topics)) == 22


async def test_a_batch_that_could_not_be_mapped_whole_is_not_behind_the_position(topics: Settings) -> None:
    class Broken(Numbers):
        def map(self, message: bytes) -> Mapped:
            if message == b"14":
                raise RuntimeError("a bug of the source")
            return super().map(message)

    await ingest(topics, Numbers(5))
    with pytest.raises(RuntimeError, match="a bug of the source"):
        await ingest(topics, Broken(25))
    assert await position(topics) == {"next": 5}


async def test_kept_messages_have_a_bound_and_those_that_ask_to_forget_have_none(
    topics: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "MOST_KEPT", 2)
    monkeypatch.setattr(running, "CHECKPOINT_S", 3600.0)

    class Unknown(Numbers):
        def map(self, message: bytes) -> Mapped:
            return Mapped("unknown", is_kept=True, forget="ann" if message == b"9" else "")

    made = await ingest(topics, Unknown(10))
    assert (made.counts.kept, made.counts.not_kept) == (3, 7)
    assert [r.value for r in read_topic(topics, topics.kept_topic)] == [b"0", b"1", b"9"]


async def test_a_stop_ends_a_source_that_waits(topics: Settings) -> None:
    class Waiting(Numbers):
        async def batches(self, position: Position | None) -> AsyncGenerator[Sequence[bytes], None]:
            yield [b"1"]
            await asyncio.sleep(3600)

    stop = asyncio.Event()
    made = Ingest(topics, Waiting(0), "numbers")
    task = asyncio.ensure_future(made.run(stop))
    async with asyncio.timeout(WITHIN_S):
        while not made.counts.checkpoints:  # a quiet source, too, has its position stored in time
            await asyncio.sleep(0.01)
        stop.set()
        await task
    assert await position(topics) == {"next": 2}


async def test_a_jetstream_goes_on_from_kafka_with_its_overlap(topics: Settings) -> None:
    def like(number: int) -> bytes:
        record = {"subject": {"uri": "at://did:plc:ben/app.bsky.feed.post/1", "cid": "c"}}
        change = {"operation": "create", "collection": "app.bsky.feed.like", "rkey": str(number), "record": record}
        at_us = AT_US + number * 1_000_000
        return json.dumps({"did": f"did:plc:{number % 3}", "time_us": at_us, "kind": "commit", "commit": change}).encode()

    for messages, kept in ((20, 20), (40, 40)):
        step = Step([like(n) for n in range(messages)], keeps_cursor=True, then="stay")
        async with networks.jetstream(step) as network:
            made, stop = Ingest(topics, Jetstream(Options([network.url])), "bluesky"), asyncio.Event()
            task = asyncio.ensure_future(made.run(stop))
            async with asyncio.timeout(WITHIN_S):
                while made.counts.messages.total() < (20 if messages == 20 else 26):
                    await asyncio.sleep(0.01)
            stop.set()
            await task
            cursors = network.queries("cursor")
        assert len({event["id"] for event in sent(topics)}) == kept
    assert cursors == [[str(AT_US + 14_000_000)]]
    assert len(sent(topics)) == 20 + 26


async def test_cloudevents_are_read_from_another_topic_and_go_on(topics: Settings) -> None:
    shop = dataclasses.replace(topics, input_topics=f"{topics.app_id}-shop")
    create_topics(shop)
    headers = [("ce_id", b"1"), ("ce_source", b"s"), ("ce_type", b"liked"), ("ce_time", b"2026-01-31T12:00:00Z")]
    fields = FieldMap({"actor": "who", "author": "whose"}, {"liked": "like"})

    async def read(count: int, first: int) -> None:
        with_client = producer(shop)
        for n in range(first, first + count):
            named = [("ce_id", b"%d" % n), *headers[1:]]
            with_client.send(
                shop.topic_names[0], b'{"who":"a%d","whose":"ben"}' % n, headers=named, partition=n % shop.partitions
            )
        with_client.flush()
        with_client.close()
        made, stop = Ingest(topics, CloudEvents(topics, shop.topic_names[0], fields), "shop"), asyncio.Event()
        task = asyncio.ensure_future(made.run(stop))
        async with asyncio.timeout(WITHIN_S):
            while made.counts.messages.total() < count:
                await asyncio.sleep(0.01)
        stop.set()
        await task
        assert made.counts.messages == {"liked": count}

    await read(10, 0)
    await read(5, 10)
    assert {event["id"] for event in sent(topics)} == {f"s {n}" for n in range(15)}


def command(settings: Settings, *words: str, **variables: str) -> subprocess.Popen[str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    environ |= settings.to_environ() | {"PYTHONPATH": str(ROOT), **variables}
    return subprocess.Popen(
        [sys.executable, "-m", "streams", "ingest", *words],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_command_reads_a_file_once_and_says_what_came_of_it(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "shop.csv"
    path.write_text("user,owner,what,when\nann,ben,star,1000\ncat,ben,hug,1001\nann,ann,star,1002\n")
    words = ["file", str(path), "--map", "actor=user,author=owner,kind=what,at=when", "--kinds", "star=like", "--json"]
    for messages, events in (({"header": 1, "star": 2, "unknown hug": 1}, {"like": 2}), ({}, {})):
        ended = command(settings, *words)
        out, err = ended.communicate(timeout=90)
        assert ended.returncode == 0, err
        result = json.loads(out)
        assert (result["messages"], result["events"]) == (messages, events)
    assert [event["id"] for event in sent(settings)] == ["shop.csv:2", "shop.csv:4"]


def wait_for(condition: Callable[[], object], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)


class Photos:
    """The site that the README's own network reads: one JSON array a line, those after a number; remembers the numbers."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    async def likes(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(int(request.query["after"]))
        likes = [[n, f"fan{n}", "ben", 5.0 + n] for n in (1, 2, 3) if n > self.asked[-1]]
        return web.Response(text="".join(f"{json.dumps(line)}\n" for line in (*likes, "boom")))


async def test_the_readmes_network_of_ones_own_is_read_and_goes_on(settings: Settings, tmp_path: Path) -> None:
    (source,) = [block for block in readme.blocks("python") if "(Source):" in block]
    assert len([line for line in source.splitlines() if line]) <= 22
    (words,) = re.findall(r"`cloutstream ingest (custom [\w:]+)`", readme.text())
    (file,) = re.findall(r"With this as `([\w.]+)`", readme.text())
    photos = Photos()
    async with networks.served(("GET", "/likes", photos.likes)) as address:
        (tmp_path / file).write_text(source.replace("127.0.0.1:8080", address))
        for messages, events in (({"like": 3}, {"like": 3}), ({}, {})):
            photos.asked.clear()
            process = command(settings, *words.split(), "--json", PYTHONPATH=f"{ROOT}{os.pathsep}{tmp_path}")
            try:
                await asyncio.to_thread(wait_for, lambda: len(photos.asked) > 1, process)  # the first answer has been read
                process.send_signal(signal.SIGTERM)
                out, err = await asyncio.to_thread(process.communicate, timeout=30)
            finally:
                process.kill()
            assert process.returncode == 0, err
            result = json.loads(out)
            assert photos.asked[:2] == ([0, 3] if messages else [3, 3])
            assert result["dropped"]["unreadable"] == result["messages"].pop("unknown line") >= 1
            assert (result["messages"], result["events"]) == (messages, events)
    assert [event["id"] for event in sent(settings)] == ["photos-1", "photos-2", "photos-3"]


async def test_sigterm_ends_the_command_with_all_in_kafka_and_metrics_tell_of_it(settings: Settings) -> None:
    messages = [json.dumps({"did": "did:plc:a", "time_us": AT_US + n, "kind": "identity"}).encode() for n in range(50)]
    like = {"operation": "create", "collection": "app.bsky.feed.like", "rkey": "1",
            "record": {"subject": {"uri": "at://did:plc:b/app.bsky.feed.post/1"}}}  # fmt: skip
    messages.append(json.dumps({"did": "did:plc:a", "time_us": AT_US, "kind": "commit", "commit": like}).encode())
    create_topics(settings)
    async with networks.jetstream(Step(messages, then="stay")) as network:
        process = command(settings, "bluesky", "--host", network.url, "--json")
        try:
            await asyncio.to_thread(wait_for, lambda: len(sent(settings)) == 1, process)
            process.send_signal(signal.SIGTERM)
            out, err = await asyncio.to_thread(process.communicate, timeout=30)
        finally:
            process.kill()
    assert process.returncode == 0, err
    assert "health and metrics at http://127.0.0.1:" in err
    assert json.loads(out)["messages"] == {"identity": 50, "like": 1}
    assert await position(settings, "bluesky") == {"time_us": AT_US}
