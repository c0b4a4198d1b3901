"""Both readers on one real server: whatever is asked, they answer the same."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from streams import entities
from streams.reader import AsyncReader, Reader, Weights
from streams.redis.client import connect_async, session
from streams.settings import Settings
from tests.scored import NOW_S, write

ANN = entities.account("ann")
# Every method that asks Redis once, with what it is asked.
QUESTIONS: list[tuple[str, dict[str, Any]]] = [
    ("now", {}),
    ("is_complete", {}),
    ("size", {}),
    ("size", {"scope": "topic:ai", "board": "trending"}),
    ("top", {}),
    ("top", {"n": 2, "offset": 1, "board": "trending"}),
    ("top", {"weights": Weights(network=0.0, amplification=2.0)}),
    ("around", {"account": "bob", "n": 1}),
    ("rank", {"account": "ann"}),
    ("rank", {"account": "nobody"}),
    ("score", {"entity": ANN}),
    ("score", {"entity": ANN, "weights": Weights(reach=2.0)}),
    ("score", {"entity": entities.account("nobody")}),
    ("outranks", {"a": ANN, "b": entities.account("bob")}),
    ("outranks", {"a": ANN, "b": entities.account("nobody")}),
    ("why", {"entity": ANN}),
    ("why", {"entity": ANN, "n": 1}),
    ("why", {"entity": entities.account("bob")}),
    ("history", {"entity": ANN}),
    ("history", {"entity": ANN, "n": 1}),
    ("campaigns", {}),
    ("alerts", {}),
    ("hidden", {}),
    ("partition_stats", {}),
    ("stats", {}),
]


@pytest.fixture
def client(settings: Settings) -> Iterator[redis.Redis]:
    with session(settings) as client:
        yield client


@pytest.fixture
def filled(settings: Settings, client: redis.Redis) -> Settings:
    """Settings of a Redis that has something of everything."""
    prefix = settings.redis_prefix
    for account, reach in (("ann", 100.0), ("bob", 50.0), ("cem", 50.0), ("dot", 4.0), ("eve", 70.0)):
        write(settings, client, account, reach=reach, network=reach / 4, amplification=3.0)
        write(settings, client, account, scope="topic:ai", reach=reach / 2)
    write(settings, client, "summer", scope="campaigns", reach=12.0)
    client.sadd(f"{prefix}hidden", "eve")
    client.set(f"{prefix}epoch", "1")
    client.hset(f"{prefix}campaigns", "summer", '{"tags":["sun"]}')
    client.hset(f"{prefix}stats:1", mapping={"applied": 5, "position:events": 7})
    for at in range(3):
        client.lpush(f"{prefix}history:{ANN}", f"[{NOW_S + at},{20.5 + at}]")
        client.lpush(f"{prefix}why:{ANN}", json.dumps({"at": at, "because": "like"}))
        client.xadd(f"{prefix}alerts", {"json": json.dumps({"id": at})}, id=f"{at + 1}-0")
    return settings


@pytest.mark.parametrize(("method", "asked"), QUESTIONS, ids=lambda value: value if isinstance(value, str) else "")
async def test_both_answer_the_same(method: str, asked: dict[str, Any], filled: Settings, client: redis.Redis) -> None:
    blocking = getattr(Reader(filled, client, wall=lambda: NOW_S), method)(**asked)
    async_client = await connect_async(filled)
    awaited = await getattr(AsyncReader(filled, async_client, wall=lambda: NOW_S), method)(**asked)
    await async_client.aclose()
    assert blocking == awaited
    assert getattr(blocking, "__dict__", None) == getattr(awaited, "__dict__", None)  # what a page has beside its places


async def test_both_follow_the_same(filled: Settings, client: redis.Redis) -> None:
    for number in range(1, 9):
        change = {"entity": ANN, "before": 1, "after": 2, "ver": number}
        client.xadd(f"{filled.redis_prefix}changes:{number % 4}", {"json": json.dumps(change)}, id=f"{number}-0")
    async with await AsyncReader.connect(filled) as reader:
        awaited = reader.follow(position="oldest")
        blocking = Reader(filled, client).follow(position="oldest")
        assert blocking.read() == await awaited.read() != []
        assert blocking.position == awaited.position
        alerts = reader.follow_alerts("oldest")
        assert await alerts.read() == Reader(filled, client).follow_alerts("oldest").read() != []


def test_every_question_has_been_asked() -> None:
    methods = {name for name, _ in inspect.getmembers(AsyncReader, inspect.iscoroutinefunction) if not name.startswith("_")}
    assert {name for name, _ in QUESTIONS} == methods - {"connect", "close"}


def test_the_answers_say_what_is_there(filled: Settings, client: redis.Redis) -> None:
    reader = Reader(filled, client, wall=lambda: NOW_S)
    assert [(place.rank, place.account) for place in reader.top()] == [(1, "ann"), (2, "cem"), (2, "bob"), (4, "dot")]
    assert [place.account for place in reader.around("dot", 1)] == ["bob", "dot"]
    assert [(point.at, point.score) for point in reader.history(ANN, 2)] == [(NOW_S + 2, 22.5), (NOW_S + 1, 21.5)]
    assert [statement["at"] for statement in reader.why(ANN)] == [2, 1, 0]
    assert reader.why(entities.account("bob")) == []
    chance = reader.outranks(ANN, entities.account("dot"))
    assert chance is not None
    assert chance > 0.99
    with pytest.raises(ValueError, match="not an entity name: 'ann'"):
        reader.score("ann")
    with pytest.raises(ValueError, match="from 1 up"):
        reader.history(ANN, 0)
