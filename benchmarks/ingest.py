"""Messages a second of the Bluesky source on one core: mapped alone, and from a WebSocket into Kafka, acknowledged.

The messages are made up in the proportions of the network (84 % likes and reposts); with `TEST_SAMPLES` in the environment real
ones are repeated with new keys. Half of the posts have tags, and one in fifty likes is taken back.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from benchmarks.child import child
from benchmarks.run import Figures, Run
from benchmarks.servers import servers
from streams.kafka.topics import create_topics, source_topic_specs
from streams.sources.bluesky.jetstream import Jetstream, Options
from streams.sources.bluesky.mapping import Mapping
from streams.sources.bluesky.messages import LIKE, POST, REPOST
from streams.sources.run import Ingest

MESSAGES = 400_000
_LIMIT_S = 120.0
_SAMPLE = "formats/bluesky_jetstream/v1_subscribe_real_152.jsonl"
_encode = msgspec.json.Encoder().encode


def measure(run: Run) -> Iterator[Figures]:
    """Measure both versions on made-up messages, and version 1 on real ones where they are, and over the wire."""
    count = MESSAGES // 20 if run.is_quick else MESSAGES
    for version in (1, 2):
        yield {"name": f"ingest_bluesky_v{version}", **_mapped(list(made_up(count, version)))}
    sample = Path(os.environ.get("TEST_SAMPLES", "")) / _SAMPLE
    if sample.is_file():
        yield {"name": "ingest_bluesky_real", **_mapped(list(repeated(sample.read_bytes().splitlines(), count)))}
    yield {"name": "ingest_bluesky_wire", **_wired(count // 2)}


def _mapped(messages: list[bytes]) -> Figures:
    mapping, events = Mapping(), 0
    begun = time.process_time()
    for message in messages:
        for event in mapping.map(message).events:
            _encode(event)
            events += 1
    seconds = time.process_time() - begun
    return {"messages_per_s": len(messages) / seconds, "messages": len(messages), "events": events, "cpu_s": seconds}


def _wired(count: int) -> Figures:
    """Read from a host in another process into Kafka; the process's own time says how many one core could take."""
    with servers() as running, child("benchmarks.ingest_host", str(count), settings=running.settings) as host:
        create_topics(running.settings, source_topic_specs(running.settings))
        url = host.line(_LIMIT_S).decode()
        ingest = Ingest(running.settings, Jetstream(Options([url])), "benchmark")

        async def read() -> tuple[float, float]:
            stop, begun, cpu = asyncio.Event(), time.monotonic(), time.process_time()
            task = asyncio.ensure_future(ingest.run(stop))
            async with asyncio.timeout(_LIMIT_S):
                while ingest.counts.messages.total() < count and not task.done():
                    await asyncio.sleep(0.01)
                stop.set()
                await task
            return time.monotonic() - begun, time.process_time() - cpu

        seconds, cpu_s = asyncio.run(read())
        taken = ingest.counts.messages.total()
    return {"messages_per_cpu_s": taken / cpu_s, "messages_per_s": taken / seconds, "messages": taken, "cpu_s": cpu_s}


def made_up(count: int, version: int, seed: int = 1) -> Iterator[bytes]:
    """Yield messages of a made-up network, one a tenth of a millisecond."""
    chance = random.Random(seed)
    posts = [_uri(chance, POST, str(n)) for n in range(1000)]
    likes: list[tuple[str, str, str]] = []
    for number in range(count):
        did, rkey, drawn = _did(chance), f"3m{number:011d}", chance.random()
        if drawn < 0.12:
            yield _frame(version, number, did, POST, rkey, _post(chance, posts))
            posts[chance.randrange(len(posts))] = f"at://{did}/{POST}/{rkey}"
        elif drawn < 0.14 and likes:
            yield _frame(version, number, *likes.pop())
        else:
            collection = LIKE if drawn < 0.88 else REPOST
            record = {
                "$type": collection,
                "createdAt": "2026-07-04T14:38:08.999Z",
                "subject": {"cid": "b" * 59, "uri": chance.choice(posts)},
            }
            yield _frame(version, number, did, collection, rkey, record)
            if collection == LIKE:
                likes.append((did, LIKE, rkey))


def repeated(lines: list[bytes], count: int) -> Iterator[bytes]:
    """Yield real messages again and again, with other keys each time so that none is the same record."""
    for number in range(count):
        yield lines[number % len(lines)].replace(b'"rkey":"3', b'"rkey":"%dx' % (number // len(lines)), 1)


def _post(chance: random.Random, posts: list[str]) -> dict[str, object]:
    tags = [
        {"index": {"byteStart": 0, "byteEnd": 9}, "features": [{"$type": "app.bsky.richtext.facet#tag", "tag": f"topic{n}"}]}
        for n in range(2)
    ]
    record: dict[str, object] = {"$type": POST, "createdAt": "2026-07-04T14:38:08.999Z", "langs": ["en"], "text": "word " * 30}
    if chance.random() < 0.5:
        record["facets"] = tags
    if chance.random() < 0.5:
        parent = {"cid": "b" * 59, "uri": chance.choice(posts)}
        record["reply"] = {"parent": parent, "root": parent}
    elif chance.random() < 0.3:
        record["embed"] = {"$type": "app.bsky.embed.record", "record": {"cid": "b" * 59, "uri": chance.choice(posts)}}
    return record


def _frame(version: int, number: int, did: str, collection: str, rkey: str, record: object = None) -> bytes:
    """Return a frame in which a record is made, or without one deleted."""
    change: dict[str, object] = {"rev": "3mptbypluud2a", "operation": "delete", "collection": collection, "rkey": rkey}
    if record is not None:
        change |= {"operation": "create", "record": record, "cid": "b" * 59}
    if version == 1:
        return _encode({"did": did, "time_us": 1_783_175_888_000_000 + 100 * number, "kind": "commit", "commit": change})
    at = f"2026-07-04T14:{number // 600_000:02d}:{number // 10_000 % 60:02d}.{number % 10_000:04d}00Z"
    payload = {"$type": "network.bsky.jetstream.subscribeEvents#commit", "seq": number, "did": did, "time": at, **change}
    return _encode({"$type": "message", "payload": payload})


def _uri(chance: random.Random, collection: str, rkey: str) -> str:
    return f"at://{_did(chance)}/{collection}/{rkey}"


def _did(chance: random.Random) -> str:
    return f"did:plc:{chance.randrange(200_000):024d}"
