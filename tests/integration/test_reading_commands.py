"""The commands that read, on a real server: what they print for people and for programs, with other people's ids in it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from streams import entities
from streams.cli import main
from streams.kafka.topics import create_topics
from streams.redis.client import session
from streams.settings import Settings
from tests.scored import NOW_S, write

ODD = "[b]\x1b[2J\u202e{user}@host%"


@pytest.fixture
def client(settings: Settings) -> Iterator[redis.Redis]:
    with session(settings) as client:
        client.hset(f"{settings.redis_prefix}clock", mapping={"mode": "event", "now": str(NOW_S)})
        yield client


@pytest.fixture
def printed(settings: Settings, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs a command that must succeed and returns what it printed on standard output."""
    for name, value in settings.to_environ().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("COLUMNS", "120")

    def run(*words: str) -> str:
        capfd.readouterr()
        assert main(list(words)) == 0
        out = capfd.readouterr().out
        assert not any(char in out for char in "\x1b\u202e") or "--json" in words
        return out

    return run


def test_shared_ranks_are_marked_and_the_rest_is_as_before(
    settings: Settings, client: redis.Redis, printed: Callable[..., str]
) -> None:
    for account, reach in (("ann", 40.0), ("bob", 30.0), ("cem", 30.0), ("dot", 2.0)):
        write(settings, client, account, reach=reach)
    rows = [line.split() for line in printed("top").splitlines()]
    assert [row[:2] for row in rows[:5]] == [["#", "account"], ["1", "ann"], ["2=", "cem"], ["2=", "bob"], ["4", "dot"]]
    assert rows[4][2].endswith("?")
    places = json.loads(printed("top", "--json"))
    assert [(p["rank"], p["percentile"]) for p in places] == [(1, 75.0), (2, 25.0), (2, 25.0), (4, 0.0)]


def test_weights_of_ones_own_rank_anew(settings: Settings, client: redis.Redis, printed: Callable[..., str]) -> None:
    write(settings, client, "broad", reach=100.0, network=80.0, amplification=-1.0)
    write(settings, client, "loved", reach=60.0, network=4.0, amplification=4.0)
    weighted = ("top", "--weights", "reach=1,network=0,amplification=2")
    assert [p["account"] for p in json.loads(printed("top", "--json"))] == ["broad", "loved"]
    places = json.loads(printed(*weighted, "--json"))
    assert [(p["rank"], p["account"], p["percentile"]) for p in places] == [(1, "loved", None), (2, "broad", None)]
    assert "loved" in printed(*weighted).splitlines()[1]


def test_around_an_account_are_those_above_and_below(
    settings: Settings, client: redis.Redis, printed: Callable[..., str]
) -> None:
    for i in range(9):
        write(settings, client, ODD if i == 4 else f"a{i}", reach=90.0 - i)
        write(settings, client, ODD if i == 4 else f"a{i}", scope=entities.topic("x y"), reach=50.0 + i)
    places = json.loads(printed("around", "-n", "2", "--json", "--", ODD))
    assert [(p["rank"], p["account"]) for p in places] == [(3, "a2"), (4, "a3"), (5, ODD), (6, "a5"), (7, "a6")]
    assert [p["account"] for p in json.loads(printed("around", "-n", "1", "--topic", "x y", "--json", "--", ODD))] == [
        "a5",
        ODD,
        "a3",
    ]
    lines = printed("around", "-n", "1", "--trending", "--", ODD).splitlines()
    assert len(lines) == 4
    assert "above" in lines[0]
    assert "44.4 %" in lines[2]
    assert printed("around", "nobody", "--json") == "[]\n"
    assert printed("around", "no\x1bbody") == "no\\x1bbody isn't on this board\n"


def test_a_score_says_its_place(settings: Settings, client: redis.Redis, printed: Callable[..., str]) -> None:
    for account in ("ann", "bob", "cem", "dot"):
        write(settings, client, account, reach=10.0 if account == "dot" else 20.0)
    assert "#1 of 4, shared with 2 more, above 25.0 %" in printed("score", "bob")
    row = json.loads(printed("score", "bob", "--json"))
    assert (row["rank"], row["ties"], row["of"], row["percentile"]) == (1, 2, 4, 25.0)
    client.sadd(f"{settings.redis_prefix}hidden", "bob")
    assert "#" not in printed("score", "bob")
    row = json.loads(printed("score", "bob", "--json"))
    assert (row["rank"], row["of"], row["reach"]) == (None, 3, 20.0)


def test_history_is_drawn_and_listed(settings: Settings, client: redis.Redis, printed: Callable[..., str]) -> None:
    key = f"{settings.redis_prefix}history:{entities.account(ODD)}"
    for i in range(50):
        client.lpush(key, f"[{NOW_S + 60 * i},{10 + i % 10}.5]")
    title, chart = printed("history", "--", ODD).splitlines()
    assert "50 changes, 2023-11-14 22:13:20 to 2023-11-14 23:02:20 UTC" in title
    assert chart.startswith("10.5 ▁")
    assert chart.endswith("█ 19.5")
    points = json.loads(printed("history", "--json", "-n", "2", "--", ODD))
    assert points == [{"at": NOW_S + 60 * 49, "score": 19.5}, {"at": NOW_S + 60 * 48, "score": 18.5}]
    assert printed("history", "nobody") == "no change of the score of nobody is kept\n"
    assert printed("history", "nobody", "--json") == "[]\n"


def test_why_tells_the_statements_newest_first(settings: Settings, client: redis.Redis, printed: Callable[..., str]) -> None:
    assert printed("why", "ann") == "nothing is recorded of why the score of ann moved\n"
    statements: list[dict[str, Any]] = [{"at": NOW_S + i, "causes": [{"actor": ODD, "points": i}]} for i in range(3)]
    for statement in statements:
        client.lpush(f"{settings.redis_prefix}why:account:ann@topic:ai", json.dumps(statement))
    assert json.loads(printed("why", "ann", "--topic", "ai", "--json", "-n", "2")) == statements[:0:-1]
    assert len(printed("why", "ann", "--topic", "ai").splitlines()) == 6


def test_an_account_is_hidden_listed_and_shown_again(
    settings: Settings, client: redis.Redis, printed: Callable[..., str]
) -> None:
    create_topics(settings)
    for account, reach in (("ann", 40.0), (ODD, 30.0), ("cem", 20.0)):
        write(settings, client, account, reach=reach)
    assert printed("hide", "--list") == "no account is hidden\n"
    assert json.loads(printed("hide", "--json", "--", ODD)) == {"account": ODD, "hidden": True, "changed": True}
    assert "already" in printed("hide", "--", ODD)
    assert json.loads(printed("hide", "--list", "--json")) == [ODD]
    assert "host%" in printed("hide", "--list")
    assert [(p["rank"], p["account"]) for p in json.loads(printed("top", "--json"))] == [(1, "ann"), (2, "cem")]
    assert json.loads(printed("hide", "--remove", "--json", "--", ODD)) == {"account": ODD, "hidden": False, "changed": True}
    assert [p["account"] for p in json.loads(printed("top", "--json"))] == ["ann", ODD, "cem"]
