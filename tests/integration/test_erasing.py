"""What Redis says of whether a partition is without people forgotten, on a real server: who writes unknowingly takes it back."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator

import pytest
import redis
from xxhash import xxh3_128_hexdigest

from streams.control.forgetting import Forgetting
from streams.redis.writer import Writer
from streams.settings import Settings
from streams.tables.forgotten import Forgotten


def forgotten(*ids: str) -> Forgotten:
    return Forgotten({hashlib.md5(name.encode(), usedforsecurity=False).hexdigest(): Forgetting(0) for name in ids})


ONE, TWO = forgotten("ann"), forgotten("ann", "bob")
NOBODY = ""
GONE = [["account:nobody", -1, "all", "nobody"]]


@pytest.fixture
async def writer(settings: Settings) -> AsyncIterator[Writer]:
    """A writer whose Redis is complete."""
    writer = Writer(settings)
    await writer.join_rebuild()
    for partition in range(settings.partitions):
        await writer.rebuilt(partition, 1.7e9)
    assert await writer.finish("1")
    yield writer
    await writer.close()


async def erased(writer: Writer, partitions: list[int], who: Forgotten, meanwhile: str | None = None) -> None:
    begun = await writer.eraser.begin(partitions, who)
    if meanwhile is not None:
        await writer.write(partitions[0], GONE, meanwhile)
    await writer.eraser.end(partitions, who, begun)


async def test_a_partition_is_due_until_it_is_done(writer: Writer) -> None:
    assert await writer.eraser.due([0, 1, 2], ONE) == [0, 1, 2]
    await erased(writer, [0, 2], ONE)
    assert await writer.eraser.due([0, 1, 2], ONE) == [1]
    assert await writer.eraser.due([0, 1, 2], TWO) == [0, 1, 2]
    assert await writer.eraser.due([0, 1, 2], forgotten()) == []


@pytest.mark.parametrize(("knows", "due"), [(ONE.fingerprint, []), (NOBODY, [0]), (TWO.fingerprint, [0])])
async def test_who_writes_without_knowing_them_makes_it_due_again(writer: Writer, knows: str, due: list[int]) -> None:
    await erased(writer, [0, 1], ONE)
    await writer.write(0, GONE, knows)
    assert await writer.eraser.due([0, 1], ONE) == due


@pytest.mark.parametrize(("knows", "due"), [(ONE.fingerprint, []), (NOBODY, [0])])
async def test_who_writes_while_they_are_taken_out_does_too(writer: Writer, knows: str, due: list[int]) -> None:
    await erased(writer, [0, 1], ONE, meanwhile=knows)
    assert await writer.eraser.due([0, 1], ONE) == due


async def test_what_is_remembered_of_their_alerts_goes_whatever_the_rule_is_called(writer: Writer, settings: Settings) -> None:
    ann = Forgotten({xxh3_128_hexdigest(b"account:ann"): Forgetting(0)})
    rules = ("r", "vip-account", "account")
    keys = {
        f"{settings.redis_prefix}alerts:held:{rule}:{entity}"
        for rule in rules
        for entity in ("account:ann", "account:ann@topic:ai", "account:bob", "topic:account:ann")
    }
    with redis.Redis.from_url(settings.redis) as client:
        for key in keys:
            client.hset(key, "ver", "1")
        await writer.eraser.erase_alerts(ann)
        left = {key.decode() for key in client.scan_iter(match=f"{settings.redis_prefix}alerts:held:*")}
    assert left == {key for key in keys if key.endswith((":account:bob", ":topic:account:ann"))}


async def test_of_two_who_take_them_out_at_once_the_first_to_end_is_not_taken_at_its_word(writer: Writer) -> None:
    first = await writer.eraser.begin([0], ONE)
    second = await writer.eraser.begin([0], ONE)
    await writer.eraser.end([0], ONE, first)
    assert await writer.eraser.due([0], ONE) == [0]
    await writer.eraser.end([0], ONE, second)
    assert await writer.eraser.due([0], ONE) == []
