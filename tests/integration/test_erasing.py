"""What a real Redis says of whether partitions and alerts are without people forgotten: who writes unknowingly takes it back."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import redis
from xxhash import xxh3_128_hexdigest

from agents.alerter import Alerter
from agents.control import Control
from streams.alerts.judging import Alert
from streams.control.forgetting import Forgetting, encode, id_of
from streams.control.state import ControlRecord, Fetched
from streams.redis.deliveries import Deliveries, Delivery
from streams.redis.feed import Feed
from streams.redis.forgetting import ALERTS
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


@pytest.mark.parametrize(("knows", "due"), [(ONE.fingerprint, []), (NOBODY, [0])])
async def test_who_writes_without_knowing_them_makes_it_due_again(writer: Writer, knows: str, due: list[int]) -> None:
    await erased(writer, [0, 1], ONE)
    await writer.write(0, GONE, knows)
    assert await writer.eraser.due([0, 1], ONE) == due


async def test_what_somebody_knew_more_of_is_for_who_knows_as_much(writer: Writer) -> None:
    await erased(writer, [0, 1], ONE)
    await writer.write(0, GONE, TWO.fingerprint)
    for knows in (ONE.fingerprint, NOBODY):
        await writer.write(0, GONE, knows)
        assert (await writer.eraser.due([0, 1], ONE), await writer.eraser.due([0, 1], TWO)) == ([], [0, 1])


@pytest.mark.parametrize(("knows", "due"), [(ONE.fingerprint, []), (NOBODY, [0])])
async def test_who_writes_while_they_are_taken_out_does_too(writer: Writer, knows: str, due: list[int]) -> None:
    await erased(writer, [0, 1], ONE, meanwhile=knows)
    assert await writer.eraser.due([0, 1], ONE) == due


@pytest.fixture
async def feed(settings: Settings) -> AsyncIterator[Feed]:
    feed = Feed(settings)
    yield feed
    await feed.close()


@pytest.mark.parametrize(("knows", "due"), [(ONE.fingerprint, []), (NOBODY, [ALERTS]), (TWO.fingerprint, [ALERTS])])
async def test_who_writes_an_alert_without_knowing_them_makes_alerts_due_again(feed: Feed, knows: str, due: list[str]) -> None:
    alert = Alert("1", "r", "account:cem", 1.7e9, 5, 4, "5", 0.0, 60.0, b"{}")
    begun = await feed.eraser.begin([ALERTS], ONE)
    await feed.eraser.end([ALERTS], ONE, begun)
    assert await feed.eraser.due([ALERTS], ONE) == []
    # The second time it is there already, and nothing is written.
    assert [await feed.write([alert], knows), await feed.write([alert], NOBODY)] == [1, 0]
    assert await feed.eraser.due([ALERTS], ONE) == due


async def test_who_puts_aside_what_a_webhook_did_not_take_does(settings: Settings, feed: Feed) -> None:
    begun = await feed.eraser.begin([ALERTS], ONE)
    await feed.eraser.end([ALERTS], ONE, begun)
    deliveries = Deliveries(settings)
    await deliveries.give_up(Delivery(b"1-0", b"{}"), "no", 1)
    await deliveries.close()
    assert await feed.eraser.due([ALERTS], ONE) == [ALERTS]


async def test_an_alert_of_a_rule_that_took_the_place_of_one_with_a_cool_down_is_remembered_for_good(feed: Feed) -> None:
    jump = Alert("1", "r", "account:cem", 1.7e9, 5, 4, "5", 0.0, 60.0, b"{}")
    assert jump.kept_s > 0
    assert await feed.write([jump], NOBODY) == 1
    goal = replace(jump, id="2", version=6, since=6, episode="goal", kept_s=0.0)
    assert await feed.write([goal], NOBODY) == 1
    assert await feed.client.ttl(f"{feed.eraser._prefix}alerts:held:r:account:cem") == -1


@pytest.mark.parametrize(("knows", "due"), [(ONE.fingerprint, []), (NOBODY, [ALERTS]), (TWO.fingerprint, [ALERTS])])
async def test_who_takes_first_places_without_knowing_them_does_too(feed: Feed, knows: str, due: list[str]) -> None:
    begun = await feed.eraser.begin([ALERTS], ONE)
    await feed.eraser.end([ALERTS], ONE, begun)
    assert await feed.take_top("r", b"", b"{}", [], knows)
    assert not await feed.take_top("r", b"", b"{}", [], NOBODY)
    assert await feed.eraser.due([ALERTS], ONE) == due


async def test_an_alert_that_a_worker_wrote_unknowingly_and_did_not_live_to_take_out_is_taken_out_by_another(feed: Feed) -> None:
    control = Control()
    told = ControlRecord(0, 1, b"forget:" + id_of("ann").encode(), encode(Forgetting()))
    control.state.apply(Fetched([told], 1.7e9))
    app: Any = SimpleNamespace(control=control)
    alerter = Alerter(app)
    client: Any = feed.client
    stream = feed.eraser._prefix + "alerts"
    await alerter._erase(feed, looks=True)
    body = b'{"entity":"account:ann","causes":[]}'
    await feed.write([Alert("1", "r", "account:ann", 1.7e9, 5, 4, "5", 0.0, 60.0, body)], NOBODY)
    await alerter._erase(feed, looks=False)
    assert await client.xlen(stream) == 1
    await alerter._erase(feed, looks=True)
    assert await client.xlen(stream) == 0
    assert not await client.exists(stream + ":held:r:account:ann")


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
