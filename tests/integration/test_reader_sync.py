"""The reader on a real server: boards written by hand, scores that fade, clocks, ids as they went in."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import redis

from streams import entities
from streams.cli import main
from streams.model.scoring import today
from streams.reader import Reader
from streams.redis.client import session
from streams.settings import PREFIX, Settings
from tests.scored import write

NOW_S = 1_700_000_000.0
DAY_S = 86_400.0
HOSTILE_IDS = [
    "did:plc:abc", "user@host", "{slot}", "100%25", "a b", "[red]x[/red]", "👩\u200d🚀", "שלום 12", "a\u202eb", "-n", "topic:x@y",
]  # fmt: skip


@pytest.fixture
def client(settings: Settings) -> Iterator[redis.Redis]:
    with session(settings) as client:
        yield client


@pytest.fixture
def reader(settings: Settings, client: redis.Redis) -> Reader:
    return Reader(settings, client, wall=lambda: NOW_S)


def test_the_boards_order_and_scores_are_todays(settings: Settings, client: redis.Redis, reader: Reader) -> None:
    write(settings, client, "idle", reach=100.0, at=NOW_S - settings.half_life_slow_s)
    write(settings, client, "fresh", reach=60.0)
    assert [(p.rank, p.account) for p in reader.top()] == [(1, "fresh"), (2, "idle")]
    fresh, idle = reader.top()
    assert fresh.score == pytest.approx(1 + 5 * math.log2(61))
    assert idle.score == pytest.approx(1 + 5 * math.log2(51))
    assert idle.reach == pytest.approx(50.0)


def test_the_boards_score_equals_the_decayed_score_and_the_models(
    settings: Settings, client: redis.Redis, reader: Reader
) -> None:
    write(settings, client, "ann", reach=80.0, network=20.0, amplification=-3.0, at=NOW_S - 11 * DAY_S)
    score = reader.score("account:ann")
    assert score is not None
    key = client.zscore(f"{settings.redis_prefix}board:all:standing", "ann")
    assert reader.top()[0].score == pytest.approx(score.score, abs=1e-6)
    assert today(key, NOW_S, settings.half_life_slow_s) == pytest.approx(score.score, abs=1e-6)


def test_reach_and_network_fade_amplification_stands_and_the_parts_add_up(
    settings: Settings, client: redis.Redis, reader: Reader
) -> None:
    write(settings, client, "ann", reach=80.0, network=20.0, amplification=5.0, at=NOW_S - 2 * settings.half_life_slow_s)
    score = reader.score("account:ann")
    assert score is not None
    assert (score.reach, score.network, score.amplification) == (20.0, 5.0, 5.0)
    assert score.score == pytest.approx(1 + 5 * math.log2(1 + 25 * 2))
    assert score.reach_pts + score.network_pts + score.amplification_pts == pytest.approx(score.score - 1, abs=1e-9)
    assert (score.ver, score.at, score.now) == (7, NOW_S - 2 * settings.half_life_slow_s, NOW_S)


def test_few_people_are_marked_provisional_also_once_they_have_faded(
    settings: Settings, client: redis.Redis, reader: Reader
) -> None:
    write(settings, client, "few", reach=8.9)
    write(settings, client, "was-many", reach=17.0, at=NOW_S - settings.half_life_slow_s)
    write(settings, client, "many", reach=9.0)
    assert {p.account: p.provisional for p in reader.top()} == {"few": True, "was-many": True, "many": False}


def test_a_score_stops_at_100_and_a_key_far_off_is_no_error(settings: Settings, client: redis.Redis, reader: Reader) -> None:
    client.zadd(f"{settings.redis_prefix}board:all:standing", {"huge": 1e15, "nothing": -math.inf})
    assert [(p.account, p.score) for p in reader.top()] == [("huge", 100.0), ("nothing", 1.0)]


def test_counts_below_nothing_are_shown_as_nothing(settings: Settings, client: redis.Redis, reader: Reader) -> None:
    write(settings, client, "ann", reach=10.0, likes=-3, shares=4)
    score, place = reader.score("account:ann"), reader.top()[0]
    assert score is not None
    assert (score.likes, score.shares) == (place.likes, place.shares) == (0, 4)


def test_recorded_data_is_read_at_its_own_time(settings: Settings, client: redis.Redis, reader: Reader) -> None:
    at = 1_341_100_800.0
    write(settings, client, "ann", reach=31.0, at=at)
    assert reader.top()[0].score == pytest.approx(1.0, abs=0.1)
    client.hset(f"{settings.redis_prefix}clock", mapping={"mode": "event", "now": str(at)})
    assert reader.now() == at
    assert reader.top()[0].score == pytest.approx(26.0)
    client.hset(f"{settings.redis_prefix}clock", "mode", "wall")
    assert reader.now() == NOW_S


def test_the_trending_board_goes_by_the_fast_half_life(settings: Settings, client: redis.Redis, reader: Reader) -> None:
    write(settings, client, "yesterday", reach=500.0, fast=500.0, at=NOW_S - DAY_S)
    write(settings, client, "now", reach=10.0, fast=15.0)
    assert [p.account for p in reader.top(board="standing")] == ["yesterday", "now"]
    trending = reader.top(board="trending")
    assert [p.account for p in trending] == ["now", "yesterday"]
    assert trending[0].score == pytest.approx(21.0)
    assert trending[0].plus_minus == pytest.approx(7.21 * math.sqrt(15) / 16)


def test_pages_join_without_gap_and_end_where_the_board_ends(settings: Settings, client: redis.Redis, reader: Reader) -> None:
    board = f"{settings.redis_prefix}board:all:standing"
    client.zadd(board, {f"a{i:04}": -float(i) for i in range(1203)})
    assert [(p.rank, p.account) for p in reader.top(n=5000)] == [(i + 1, f"a{i:04}") for i in range(1203)]
    assert [(p.rank, p.account) for p in reader.top(n=2, offset=700)] == [(701, "a0700"), (702, "a0701")]
    assert reader.top(n=5, offset=1203) == []
    rank = reader.rank("a0700")
    assert rank is not None
    assert (rank.rank, rank.ties, rank.size, rank.percentile) == (701, 0, 1203, pytest.approx(100 * 502 / 1203))
    assert (reader.rank("nobody"), reader.size()) == (None, 1203)


def test_what_isnt_there_is_nothing(reader: Reader) -> None:
    assert (reader.top(), reader.score("account:nobody"), reader.is_complete()) == ([], None, False)
    assert reader.stats().as_dict()["position"] == 0


def test_counts_are_summed_over_partitions(settings: Settings, client: redis.Redis, reader: Reader) -> None:
    for p in (0, settings.partitions - 1):
        row: dict[Any, Any] = {
            "applied": 10,
            "self": 1,
            "duplicate": 2,
            "forgotten": 7,
            "refused": 3,
            "misplaced": 4,
            "clamped": 5,
            "updated_at": NOW_S + p,
        }
        row |= {"position:events": 20, "position:likes": 5, "applied_engagements": 6}
        client.hset(f"{settings.redis_prefix}stats:{p}", mapping=row)
    stats = reader.stats()
    assert stats.outcomes == {
        "applied": 20,
        "self": 2,
        "duplicate": 4,
        "forgotten": 14,
        "refused": 6,
        "misplaced": 8,
        "clamped": 10,
    }
    assert (stats.positions, stats.position, stats.engagements) == ({"events": 40, "likes": 10}, 50, 12)
    assert stats.updated_at == NOW_S + settings.partitions - 1


@pytest.mark.parametrize("account", HOSTILE_IDS)
def test_ids_come_out_of_boards_and_json_as_they_went_in(
    account: str, settings: Settings, client: redis.Redis, reader: Reader,
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes],
) -> None:  # fmt: skip
    write(settings, client, account, reach=30.0, likes=5)
    write(settings, client, account, scope=entities.topic(account), reach=20.0, likes=3)
    for name, value in settings.to_environ().items():
        monkeypatch.setenv(name, value)
    assert [(p.account, p.likes) for p in reader.top()] == [(account, 5)]
    assert [(p.account, p.likes) for p in reader.top(entities.topic(account))] == [(account, 3)]
    assert main(["top", "--json"]) == 0
    assert [(row["account"], row["likes"]) for row in json.loads(capfdbinary.readouterr().out)] == [(account, 5)]
    assert main(["score", "--json", "--", account]) == 0
    row = json.loads(capfdbinary.readouterr().out)
    assert (row["account"], row["rank"], row["of"], row["likes"]) == (account, 1, 1, 5)
    assert main(["score", "--json", f"--topic={account}", "--", account]) == 0
    assert json.loads(capfdbinary.readouterr().out)["likes"] == 3
    for words in (["top"], ["score", "--", account], ["top", "--topics"], ["top", f"--topic={account}"]):
        assert main(words) == 0
        text = capfdbinary.readouterr().out.decode()
        assert not any(char in text for char in "\x1b\u202e")


def test_an_account_without_a_score_is_said_and_is_null_in_json(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name, value in settings.to_environ().items():
        monkeypatch.setenv(name, value)
    assert main(["score", "nobody", "--json"]) == 0
    assert capfd.readouterr().out == "null\n"
    assert main(["score", "nobody"]) == 0
    assert capfd.readouterr().out == "no score is kept for nobody\n"


def test_a_refused_password_is_a_configuration_error_that_does_not_show_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    wrong = replace(settings, redis=settings.redis.replace("redis://", "redis://somebody:hunter2@"))
    monkeypatch.setenv(PREFIX + "REDIS", wrong.redis)
    assert main(["top"]) == 78
    err = capfd.readouterr().err
    assert "refused the user or password" in err
    assert "hunter2" not in err
