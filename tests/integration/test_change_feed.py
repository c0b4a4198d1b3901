"""The change feed on a real server: each change once, whatever filled Redis meanwhile, and whichever release wrote."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
import redis

from agents import add_agents, create_app
from streams.kafka.register import register_transport
from streams.reader import Reader
from streams.redis import published
from streams.redis.client import session
from streams.redis.writer import REBUILD, Writer
from streams.settings import Settings
from streams.tables.score_records import NUMBERS, Change, ScoreRecord, merged

ANN = "account:ann"


def record(ver: int, before: float | None = None, name: str = ANN) -> ScoreRecord:
    """Return a score that is as high as its version; it changed if it is known what was before."""
    numbers = dict.fromkeys(NUMBERS, "1") | {"score": f"{ver}.0", "ver": str(ver)}
    change = None if before is None else Change(str(before), f"{ver}.0", "[]")
    return ScoreRecord(f'"{name}"', ",".join(numbers.values()), change)


@dataclass
class Feed:
    """Writes scores of one account, each at the next offset, and reads what was told of it."""

    writer: Writer
    client: redis.Redis
    prefix: str
    offset: int = 0
    heard: Any = field(init=False)

    def __post_init__(self) -> None:
        self.heard = self.client.pubsub(ignore_subscribe_messages=True)
        self.heard.subscribe(f"{self.prefix}changes")
        self.heard.get_message(timeout=5)  # that it is subscribed

    async def write(self, *records: ScoreRecord, knows: str = "") -> str:
        self.offset += len(records)
        items = [published.entry(r, self.offset + i, 0.0) for i, r in enumerate(records)]
        return (await self.writer.write(0, items, knows)).outcome

    async def fill(self, *records: ScoreRecord) -> None:
        """Have Redis filled, from a table that holds these."""
        await self.writer.outdate()
        await self.writer.join_rebuild()
        await self.write(*records)

    async def finish(self) -> None:
        await self.writer.rebuilt(0, 1.0)
        assert await self.writer.finish("1")

    @property
    def key(self) -> str:
        return f"{self.prefix}score:{ANN}"

    def told(self) -> list[int]:
        """Return the versions told by all that tells of changes, which must agree."""
        entries: Any = self.client.xrange(f"{self.prefix}changes:0")
        versions = [json.loads(fields[b"json"])["ver"] for _, fields in entries]
        why: Any = self.client.lrange(f"{self.prefix}why:{ANN}", 0, -1)
        assert [json.loads(text)["ver"] for text in reversed(why)] == versions
        assert self.client.llen(f"{self.prefix}history:{ANN}") == len(versions)
        return versions

    def published(self) -> list[int]:
        """Return the versions that a subscriber got since it was asked last."""
        got: list[int] = []
        while message := self.heard.get_message(timeout=0.1):
            got.append(json.loads(message["data"])["ver"])
        return got


@pytest.fixture
async def feed(settings: Settings) -> AsyncIterator[Feed]:
    """A feed in a Redis that is complete."""
    settings = Settings(redis=settings.redis, redis_prefix=settings.redis_prefix, partitions=1)
    writer = Writer(settings)
    with session(settings) as client:
        feed = Feed(writer, client, settings.redis_prefix)
        await feed.fill()
        await feed.finish()
        yield feed
        feed.heard.close()
    await writer.close()


async def test_a_change_that_a_fill_wrote_before_it_was_decided_is_told(feed: Feed) -> None:
    await feed.fill(record(5))
    await feed.write(record(5, before=1.0))
    await feed.finish()
    assert feed.told() == feed.published() == [5]


async def test_a_change_that_waited_while_a_fill_wrote_what_came_after_it_is_told_and_nothing_goes_back(feed: Feed) -> None:
    await feed.fill(record(7))
    await feed.finish()
    await feed.write(record(5, before=1.0))
    assert (feed.told(), feed.client.hget(feed.key, "ver")) == ([5], b"7")
    await feed.write(record(7, before=5.0))
    assert feed.told() == [5, 7]


async def test_a_change_is_told_although_a_worker_without_the_partition_told_of_another_entity_at_a_later_offset(
    feed: Feed,
) -> None:
    bob = record(9, before=1.0)._replace(name='"account:bob"')
    for offset in (40, 41):  # the second is taken out again, as for somebody forgotten
        await feed.writer.write(
            0, [published.entry(bob._replace(numbers=bob.numbers.replace("9", str(offset))), offset, 0.0)], ""
        )
    feed.client.xdel(f"{feed.prefix}changes:0", "42-0")
    feed.published()
    for ver in (5, 6):
        await feed.write(record(ver, before=ver - 1.0))
    assert feed.published() == [5, 6]
    entries: Any = feed.client.xrange(f"{feed.prefix}changes:0")
    assert [entry for entry, _ in entries] == [b"41-0", b"42-1", b"42-2"]


@pytest.mark.parametrize("knows", ["", "1-them"])
async def test_a_change_of_somebody_taken_out_is_not_called_out_by_who_does_not_know_it_and_comes_late(
    feed: Feed, knows: str
) -> None:
    await feed.write(record(5, before=1.0))
    feed.client.hset(f"{feed.prefix}forgotten", "0", "1-them")  # and takes out:
    feed.client.delete(feed.key, f"{feed.prefix}history:{ANN}", f"{feed.prefix}why:{ANN}")
    feed.client.xdel(f"{feed.prefix}changes:0", *(entry for entry, _ in feed.client.xrange(f"{feed.prefix}changes:0")))  # type: ignore[union-attr, misc]
    feed.published()
    for name in ("account:bob", ANN):  # of a worker that lost the partition, which writes before, too
        feed.offset -= 1
        await feed.write(record(5, before=1.0, name=name), knows=knows)
    assert feed.published() == ([5, 5] if knows else [])


async def test_a_fill_forgets_nothing_of_what_was_told(feed: Feed) -> None:
    await feed.write(record(5, before=1.0))
    await feed.fill(record(8))
    await feed.finish()
    await feed.write(record(5, before=1.0))
    assert feed.told() == [5]
    await feed.write(record(8, before=5.0))
    assert feed.told() == feed.published() == [5, 8]


async def test_a_change_that_comes_again_is_not_told_again_whatever_it_rides_on(feed: Feed) -> None:
    await feed.write(record(5, before=1.0))
    await feed.write(record(6))
    await feed.write(record(5, before=1.0))
    await feed.write(merged(record(5, before=1.0), record(6)))
    await feed.write(merged(record(5, before=1.0), record(7)))
    assert (feed.told(), feed.client.hget(feed.key, "ver")) == ([5], b"7")
    await feed.write(merged(record(8, before=5.0), record(9)))
    assert feed.told() == feed.published() == [5, 8]


async def test_after_a_wipe_what_waited_is_told(feed: Feed) -> None:
    await feed.write(record(5, before=1.0))
    feed.client.delete(*feed.client.keys(f"{feed.prefix}*"))
    await feed.fill(record(6))
    await feed.finish()
    await feed.write(record(6, before=5.0))
    assert feed.told() == [6]


async def test_nothing_is_told_twice_after_an_upgrade(feed: Feed) -> None:
    feed.client.hset(feed.key, "ver", 5)  # an earlier release told what it wrote
    await feed.write(record(5, before=1.0))
    await feed.write(record(6))
    await feed.write(record(5, before=1.0))
    assert feed.told() == []
    await feed.write(record(6, before=5.0))
    assert feed.told() == [6]


async def test_what_an_earlier_release_wrote_meanwhile_counts_as_told(feed: Feed) -> None:
    await feed.write(record(5, before=1.0))
    await feed.write(record(6))
    feed.client.hset(feed.key, "ver", 8)
    await feed.write(record(7, before=5.0))
    await feed.write(record(8, before=7.0))
    assert feed.told() == [5]
    await feed.write(record(9, before=8.0))
    assert feed.told() == [5, 9]


async def test_an_entity_that_comes_again_is_told_of_from_the_beginning(feed: Feed) -> None:
    await feed.write(record(5, before=1.0))
    await feed.writer.write(0, [published.expired(ANN)], "")
    assert feed.client.hgetall(feed.key) == {}
    await feed.write(record(6))
    await feed.write(record(6, before=1.0))
    assert feed.published() == [5, 6]


async def test_the_note_of_what_was_told_is_kept_only_where_it_is_needed_and_readers_do_not_mind(feed: Feed) -> None:
    await feed.write(record(5))
    assert feed.client.hget(feed.key, "t") == b"-1 5"
    await feed.write(record(6, before=1.0))
    assert set(feed.client.hgetall(feed.key)) == {name.encode() for name in published.HASH_FIELDS}
    await feed.write(record(7))
    assert feed.client.hget(feed.key, "t") == b"6 7"
    score = Reader(Settings(redis_prefix=feed.prefix), feed.client).score(ANN)
    assert score is not None
    assert score.ver == 7


class Interrupted(Writer):
    """Somebody has Redis filled again after the first call of each write."""

    async def _publish_all(self, calls: Sequence[Sequence[Any]]) -> list[str]:
        said = await super()._publish_all(calls[:1])
        await self.outdate()
        return said + await super()._publish_all(calls[1:])


async def test_what_was_told_before_redis_was_to_be_filled_again_is_not_told_once_more_with_what_comes(
    feed: Feed, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.redis.writer.ENTITIES_PER_CALL", 1)
    register_transport()
    app = create_app(Settings(redis=settings.redis, redis_prefix=feed.prefix, partitions=1))
    publisher, interrupted = add_agents(app), Interrupted(app.settings)
    app.owned = {0}
    waiting = publisher._pending_of(0)
    for offset, (name, ver) in enumerate([(ANN, 5), ("account:ben", 6)]):
        waiting.add(name.encode(), offset, record(ver, before=1.0, name=name))
    assert await publisher._write(interrupted, 0) == REBUILD
    waiting.add(ANN.encode(), 2, record(7, before=5.0))
    await feed.fill()
    await feed.finish()
    await publisher._write(feed.writer, 0)
    entries: Any = feed.client.xrange(f"{feed.prefix}changes:0")
    told = [json.loads(fields[b"json"]) for _, fields in entries]
    assert [(change["entity"], change["before"], change["after"]) for change in told] == [
        (ANN, 1.0, 5.0), ("account:ben", 1.0, 6.0), (ANN, 5.0, 7.0),
    ]  # fmt: skip
    await interrupted.close()
