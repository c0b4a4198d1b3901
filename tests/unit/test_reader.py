"""The reader without a server: two classes with one interface, weights on a command line, places in streams."""

from __future__ import annotations

import inspect
import json
from typing import Any

import pytest
import redis
import redis.asyncio as aredis

from streams import reader
from streams.errors import ConfigurationError, ServiceUnavailable
from streams.reader import AsyncReader, Reader, ScoreChange, Weights
from streams.reader.changes import changes_of
from streams.reader.cursor import Cursor
from streams.reader.plan import script, script_sha
from streams.reader.scale import outranks
from streams.settings import Settings
from tests.scored import score

NOWHERE = Settings(redis="redis://user:hunter2@127.0.0.1:1/0")
NAMES = ["changes:0", "changes:1"]


def public(kind: type) -> dict[str, Any]:
    return {name: member for name, member in inspect.getmembers(kind, callable) if not name.startswith("_")}


def test_both_readers_have_the_same_methods_with_the_same_parameters() -> None:
    blocking, awaited = public(Reader), public(AsyncReader)
    assert list(blocking) == list(awaited)
    assert len(blocking) > 15
    for name, method in blocking.items():
        ours, theirs = inspect.signature(method), inspect.signature(awaited[name])
        assert ours.parameters == theirs.parameters, name
        assert str(theirs.return_annotation) == str(ours.return_annotation).replace("Feed[", "AsyncFeed["), name
        assert inspect.iscoroutinefunction(awaited[name]) == (name not in ("follow", "follow_alerts")), name


def test_what_is_exported_is_there() -> None:
    assert sorted(reader.__all__) == reader.__all__
    assert [name for name in reader.__all__ if not hasattr(reader, name)] == []


def test_the_script_is_known_by_what_redis_calls_it() -> None:
    assert len(script_sha()) == 40
    assert "ZREVRANGE" in script()


@pytest.mark.parametrize(
    ("text", "weights"),
    [
        ("reach=1,network=0,amplification=2", Weights(network=0.0, amplification=2.0)),
        (" network = 0.5", Weights(network=0.5)),
        ("amplification=0,reach=3", Weights(reach=3.0, amplification=0.0)),
    ],
)
def test_weights_are_read_from_text(text: str, weights: Weights) -> None:
    assert Weights.parse(text) == weights


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "'' isn't a weight"),
        ("posts=1", "'posts=1' isn't a weight; expected reach, network, amplification"),
        ("reach=1,reach=2", "'reach=2' isn't a weight"),
        ("reach=much", "the weight of reach is 'much'; expected a number from 0 to 1000"),
        ("reach=-1", "the weight of reach is -1.0; expected a number from 0 to 1000"),
        ("reach=nan", "the weight of reach is nan"),
        ("reach=0,network=0", "both 0"),
    ],
)
def test_what_are_no_weights_is_said(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says.replace("(", r"\(")):
        Weights.parse(text)


def entry(number: int, account: str = "ann") -> tuple[bytes, dict[bytes, bytes]]:
    change = {"entity": f"account:{account}", "before": 1.0, "after": float(number), "ver": number, "unknown": [1]}
    return f"{number}-0".encode(), {b"json": json.dumps(change).encode()}


def cursor(start: Any = "oldest", accounts: list[str] | None = None) -> Cursor[ScoreChange]:
    return Cursor("cs:", NAMES, start, changes_of(None, accounts))


def test_a_position_moves_with_each_entry_handed_out() -> None:
    at = cursor()
    at.take([[b"cs:changes:1", [entry(5), entry(6)]], [b"cs:changes:0", [entry(3)]]])
    seen = []
    for change in at.hand_out():
        seen.append((change.ver, at.position))
    assert seen == [
        (5, {"changes:0": "0-0", "changes:1": "5-0"}),
        (6, {"changes:0": "0-0", "changes:1": "6-0"}),
        (3, {"changes:0": "3-0", "changes:1": "6-0"}),
    ]


def test_what_waits_is_not_asked_for_again_and_not_passed_over_in_the_position() -> None:
    at = cursor()
    at.take([[b"cs:changes:0", [entry(1), entry(2)]]])
    assert next(at.hand_out()).ver == 1
    assert at.reading(0.0)[-2:] == ("2-0", "0-0")
    assert at.position == {"changes:0": "1-0", "changes:1": "0-0"}
    again = cursor(json.loads(json.dumps(at.position)))
    assert again.reading(0.0)[-2:] == ("1-0", "0-0")


def test_what_isnt_asked_for_is_passed_over() -> None:
    at = cursor(accounts=["ann"])
    at.take([[b"cs:changes:0", [entry(1, "bob"), entry(2, "ann"), entry(3, "bob")]]])
    assert [change.ver for change in at.hand_out()] == [2]
    assert at.position == {"changes:0": "3-0", "changes:1": "0-0"}


@pytest.mark.parametrize("fields", [{b"json": b"no json"}, {b"json": b'{"entity":5}'}, {b"text": b"{}"}])
def test_an_entry_that_cant_be_read_is_named_and_passed_over(fields: dict[bytes, bytes]) -> None:
    at = cursor()
    with pytest.raises(ValueError, match="cs:changes:0@2-0 can't be read"):
        at.take([[b"cs:changes:0", [entry(1), (b"2-0", fields), entry(3)]]])
    assert at.reading(0.0)[-2:] == ("2-0", "0-0")
    assert [change.ver for change in at.hand_out()] == [1]


def test_replies_of_the_newer_protocol_are_the_same() -> None:
    older, newer = cursor(), cursor()
    older.take([[b"cs:changes:0", [entry(1), entry(2)]]])
    newer.take({b"cs:changes:0": [[entry(1), entry(2)]]})
    assert list(older.hand_out()) == list(newer.hand_out()) != []
    assert not newer.take({})
    assert not older.take(None)


def test_a_look_is_never_told_to_wait_for_ever() -> None:
    assert "BLOCK" not in cursor().reading(0.0)
    waiting = cursor().reading(0.0001)
    assert waiting[waiting.index("BLOCK") + 1] == 1


@pytest.mark.parametrize(
    "start", [{"changes:9": "1-0"}, {"changes:0": "$"}, {"changes:0": 5}, ["changes:0"], "latest", None, {"changes:0": "1"}]
)
def test_what_is_no_position_is_refused(start: Any) -> None:
    with pytest.raises(ValueError, match="no position"):
        cursor(start)


def test_a_partition_that_a_position_doesnt_have_is_read_from_its_beginning() -> None:
    assert cursor({"changes:1": "7-0"}).reading(0.0)[-2:] == ("0-0", "7-0")


@pytest.mark.parametrize(
    ("scope", "accounts", "expected"),
    [
        (None, None, ["account:ann", "account:ann@topic:ai", "topic:ai", "account:b%40c"]),
        ("all", None, ["account:ann", "account:b%40c"]),
        ("topic:ai", None, ["account:ann@topic:ai"]),
        ("topics", None, ["topic:ai"]),
        (None, ["ann"], ["account:ann", "account:ann@topic:ai"]),
        (None, ["b@c", "ai"], ["account:b%40c"]),
        ("topic:ai", ["b@c"], []),
    ],
)
def test_changes_are_picked_by_board_and_by_account(scope: str | None, accounts: list[str] | None, expected: list[str]) -> None:
    decode = changes_of(scope, accounts)
    names = ["account:ann", "account:ann@topic:ai", "topic:ai", "account:b%40c"]
    if (scope, accounts) != (None, None):
        names.append("planet:ai")  # a newer release may score what this one doesn't know
    picked = [decode(json.dumps({"entity": name, "before": 1, "after": 2}).encode()) for name in names]
    assert [change.entity for change in picked if change] == expected


def test_how_sure_a_lead_is() -> None:
    assert outranks(score(50, 1), score(50, 3)) == 0.5
    assert outranks(score(51, 0.6), score(50, 0.8)) == pytest.approx(0.841344746)  # one standard deviation
    assert outranks(score(30, 0), score(20, 0)) == 1.0
    assert outranks(score(20, 0), score(30, 0)) == 0.0
    assert outranks(score(20, 0), score(20, 0)) == 0.5


async def test_a_redis_that_isnt_there_is_named_by_both_without_its_password() -> None:
    with pytest.raises(ServiceUnavailable, match=r"127\.0\.0\.1:1") as blocking:
        Reader.connect(NOWHERE)
    with pytest.raises(ServiceUnavailable, match=r"127\.0\.0\.1:1") as awaited:
        await AsyncReader.connect(NOWHERE)
    assert "hunter2" not in f"{blocking.value} {awaited.value}"
    with pytest.raises(ServiceUnavailable, match="Redis at"):
        Reader(NOWHERE, redis.Redis.from_url(NOWHERE.redis)).top()


async def test_a_url_that_cant_be_used_names_the_setting_in_both() -> None:
    wrong = Settings(redis="redis://127.0.0.1:1/0?no_such_option=1")
    with pytest.raises(ConfigurationError, match="CLOUTSTREAM_REDIS can't be used"):
        Reader.connect(wrong)
    with pytest.raises(ConfigurationError, match="CLOUTSTREAM_REDIS can't be used"):
        await AsyncReader.connect(wrong)


def test_a_client_that_decodes_is_refused_by_both() -> None:
    with pytest.raises(ValueError, match="decode_responses=True"):
        Reader(NOWHERE, redis.Redis.from_url(NOWHERE.redis, decode_responses=True))
    with pytest.raises(ValueError, match="decode_responses=True"):
        AsyncReader(NOWHERE, aredis.Redis.from_url(NOWHERE.redis, decode_responses=True))


def test_a_feed_without_redis_waits_and_says_why() -> None:
    feed = Reader(NOWHERE, redis.Redis.from_url(NOWHERE.redis, retry=None)).follow()
    assert feed.read(wait_s=0.0) == []
    assert feed.problem is not None
    assert "can't be reached" in feed.problem
    assert feed.position is None
