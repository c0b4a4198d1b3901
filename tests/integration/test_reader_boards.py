"""Boards on a real server: ties, hidden accounts, the page around an account, and boards by other weights."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

import orjson
import pytest
import redis

from streams import entities
from streams.control.campaigns import Campaign as Definition
from streams.control.campaigns import Goal
from streams.reader import Reader, Standing, Weights, boards
from streams.redis.client import session
from streams.settings import Settings
from tests.scored import NOW_S, write

DOUBLE = Weights(network=0.0, amplification=2.0)


@pytest.fixture
def client(settings: Settings) -> Iterator[redis.Redis]:
    with session(settings) as client:
        yield client


@pytest.fixture
def reader(settings: Settings, client: redis.Redis) -> Reader:
    return Reader(settings, client, wall=lambda: NOW_S)


def put(settings: Settings, client: redis.Redis, keys: dict[str, float], scope: str = "all", board: str = "standing") -> None:
    client.zadd(f"{settings.redis_prefix}board:{scope}:{board}", keys)


def hide(settings: Settings, client: redis.Redis, *accounts: str) -> None:
    client.sadd(f"{settings.redis_prefix}hidden", *accounts)


def expected(keys: dict[str, float], hidden: set[str] | None = None) -> list[tuple[int, str, float]]:
    """Rank, account and percentile, counted member by member."""
    shown = {member: key for member, key in keys.items() if member not in (hidden or ())}
    by_place = sorted(shown, key=lambda member: (shown[member], member), reverse=True)
    return [
        (
            1 + sum(key > shown[member] for key in shown.values()),
            member,
            pytest.approx(100 * sum(key < shown[member] for key in shown.values()) / len(shown)),
        )
        for member in by_place
    ]


def seen(places: list[Standing]) -> list[tuple[int, str, float | None]]:
    return [(place.rank, place.account, place.percentile) for place in places]


def test_equal_influence_shares_a_rank_and_the_next_is_left_out(settings: Settings, client: redis.Redis, reader: Reader) -> None:
    put(settings, client, {"ann": 9.0, "bob": 8.0, "cem": 8.0, "dot": 7.0})
    assert [(place.rank, place.account) for place in reader.top()] == [(1, "ann"), (2, "cem"), (2, "bob"), (4, "dot")]
    ranks = {account: reader.rank(account) for account in ("ann", "bob", "cem", "dot")}
    assert {a: (r.rank, r.ties, r.size, r.percentile) for a, r in ranks.items() if r} == {
        "ann": (1, 0, 4, 75.0),
        "bob": (2, 1, 4, 25.0),
        "cem": (2, 1, 4, 25.0),
        "dot": (4, 0, 4, 0.0),
    }


@pytest.mark.parametrize("seed", range(6))
def test_pages_without_the_hidden_are_full_and_ranked_as_if_they_werent_there(
    seed: int, settings: Settings, client: redis.Redis, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(boards, "PAGE", 7)  # so that pages are joined
    chance = random.Random(seed)
    keys = {f"a{i:03}": float(chance.randrange(30)) for i in range(80)}
    hidden = set(chance.sample(sorted(keys), 25))
    put(settings, client, keys)
    hide(settings, client, *hidden, "not-on-it")
    rows = expected(keys, hidden)
    assert seen(reader.top(n=1000)) == rows
    assert reader.top().size == reader.size() == len(rows)
    for _ in range(40):
        offset, n = chance.randrange(60), chance.randrange(20)
        assert seen(reader.top(n=n, offset=offset)) == rows[offset : offset + n], (offset, n)
    for place, (rank, account, percentile) in enumerate(rows):
        n = chance.randrange(12)
        assert seen(reader.around(account, n)) == rows[max(0, place - n) : place + n + 1]
        found = reader.rank(account)
        assert found is not None
        assert (found.rank, found.percentile, found.size) == (rank, percentile, len(rows))
        assert found.ties == sum(other == rank for other, _, _ in rows) - 1


def test_a_page_is_full_when_all_above_it_are_hidden(settings: Settings, client: redis.Redis, reader: Reader) -> None:
    put(settings, client, {f"a{i:04}": -float(i) for i in range(3000)})
    hide(settings, client, *(f"a{i:04}" for i in range(2000)))
    page = reader.top(n=3)
    assert [(place.rank, place.account) for place in page] == [(1, "a2000"), (2, "a2001"), (3, "a2002")]
    assert page.size == 1000
    assert seen(reader.top(n=5, offset=998)) == [(999, "a2998", pytest.approx(0.1)), (1000, "a2999", 0.0)]


def test_a_hidden_account_is_on_no_board_and_its_score_stays(settings: Settings, client: redis.Redis, reader: Reader) -> None:
    tag = entities.topic("ai")
    for scope in ("all", tag):
        write(settings, client, "ann", scope=scope, reach=30.0)
        write(settings, client, "user@host", scope=scope, reach=60.0)
    hide(settings, client, "user@host")
    for scope in ("all", tag):
        for board in ("standing", "trending"):
            assert [(p.rank, p.account) for p in reader.top(scope, board)] == [(1, "ann")]
            assert reader.rank("user@host", scope, board) is None
            assert reader.around("user@host", 3, scope, board) == []
        assert [p.account for p in reader.top(scope, weights=DOUBLE)] == ["ann"]
    assert reader.hidden() == {"user@host"}
    score = reader.score(entities.account("user@host"))
    assert score is not None
    assert score.reach == 60.0


def test_what_hides_an_account_hides_no_topic_of_that_name(settings: Settings, client: redis.Redis, reader: Reader) -> None:
    write(settings, client, "ai", scope="topics", reach=30.0)
    write(settings, client, "ai", scope="campaigns", reach=20.0)
    hide(settings, client, "ai")
    assert [p.account for p in reader.top("topics")] == [p.account for p in reader.top("campaigns")] == ["ai"]


def test_other_weights_rank_anew_and_say_the_score_that_score_says(
    settings: Settings, client: redis.Redis, reader: Reader
) -> None:
    write(settings, client, "broad", reach=100.0, network=80.0, amplification=-4.0)
    write(settings, client, "loved", reach=40.0, network=4.0, amplification=9.0)
    write(settings, client, "idle", reach=90.0, network=4.0, amplification=9.0, at=NOW_S - 2 * settings.half_life_slow_s)
    assert [place.account for place in reader.top()] == ["loved", "broad", "idle"]
    network = Weights(reach=0.0, network=1.0, amplification=0.0)
    for weights in (DOUBLE, network, Weights()):
        page = reader.top(weights=weights)
        assert page.is_exact
        for place in page:
            score = reader.score(entities.account(place.account), weights)
            assert score is not None
            assert (place.score, place.plus_minus) == (pytest.approx(score.score), pytest.approx(score.plus_minus))
            assert score.reach_pts + score.network_pts + score.amplification_pts == pytest.approx(score.score - 1)
    assert [place.account for place in reader.top(weights=network)] == ["broad", "loved", "idle"]
    assert [place.rank for place in reader.top(weights=DOUBLE)] == [1, 2, 3]
    usual = reader.top(weights=Weights(network=settings.network_weight))
    assert [(p.rank, p.account) for p in usual] == [(p.rank, p.account) for p in reader.top()]
    assert [p.plus_minus for p in usual] == pytest.approx([p.plus_minus for p in reader.top()])


@pytest.mark.parametrize("seed", range(4))
def test_what_is_said_to_be_exact_is_what_ranking_everybody_gives(
    seed: int, settings: Settings, client: redis.Redis, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(boards, "PAGE", 5)
    monkeypatch.setattr(boards, "CANDIDATES", 40)
    chance = random.Random(seed)
    rows = {}
    for i in range(120):
        reach = 2 ** chance.uniform(-2, 14)
        rows[f"a{i:03}"] = (reach, reach * chance.random(), chance.uniform(-10, 10))
        write(settings, client, f"a{i:03}", reach=reach, network=rows[f"a{i:03}"][1], amplification=rows[f"a{i:03}"][2])
    said = []
    for weights in (DOUBLE, Weights(reach=0.0, amplification=0.5), Weights(reach=3.0, amplification=0.0), Weights(network=2.0)):
        everybody = sorted(rows, key=lambda account: weights.influence(*rows[account]), reverse=True)
        for n, offset in ((1, 0), (3, 0), (2, 3)):
            page = reader.top(n=n, offset=offset, weights=weights)
            said.append(page.is_exact)
            if page.is_exact:
                assert [place.account for place in page] == everybody[offset : offset + n]
                assert [place.rank for place in page] == list(range(offset + 1, offset + n + 1))
    assert any(said)


def test_candidates_that_prove_nothing_are_said_not_to(
    settings: Settings, client: redis.Redis, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(boards, "PAGE", 2)
    monkeypatch.setattr(boards, "CANDIDATES", 4)
    for i in range(12):
        write(settings, client, f"a{i:02}", reach=100.0 - i)
    write(settings, client, "loved", reach=20.0, amplification=10.0)
    page = reader.top(n=1, weights=Weights(amplification=4.0))
    assert (page.is_exact, page.size) == (False, 13)
    assert not reader.top(n=1, weights=Weights(reach=0.0, network=1.0)).is_exact


def test_the_trending_board_has_no_parts_to_weigh(reader: Reader) -> None:
    with pytest.raises(ValueError, match="trending"):
        reader.top(board="trending", weights=DOUBLE)
    with pytest.raises(ValueError, match="standing or trending"):
        reader.top(board="sitting")
    with pytest.raises(ValueError, match="from 0 up"):
        reader.top(n=-1)


def test_campaigns_come_with_what_they_gathered_and_without(settings: Settings, client: redis.Redis, reader: Reader) -> None:
    assert reader.campaigns() == []
    write(settings, client, "su@mmer", scope="campaigns", reach=15.0, posts=2, likes=30, shares=6)
    summer = Definition("su@mmer", ("sun",), goal=Goal("likes", 60.0), since_ms=int((NOW_S - 3600) * 1000))
    definitions = {summer.name: orjson.dumps(summer.as_dict()), "autumn": b'{"tags":[]}'}
    client.hset(f"{settings.redis_prefix}campaigns", mapping=dict[str | bytes, bytes | float | int | str](definitions))
    client.zadd(f"{settings.redis_prefix}people", {summer.entity: 12})
    client.rpush(f"{settings.redis_prefix}minutes:{summer.entity}", orjson.dumps([NOW_S // 60 - 6, 2, 20, 1, 0]))
    autumn, found = reader.campaigns()
    assert (autumn.id, autumn.definition.tags, autumn.score, autumn.share_of_voice) == ("autumn", (), None, 0.0)
    assert (found.definition, found.score and found.score.score) == (summer, pytest.approx(21.0))
    assert (found.totals.posts, found.totals.engagements, found.totals.people, found.totals.reach) == (2, 36, 12, 15.0)
    assert found.totals.per_minute == {"posts": 0.0, "likes": 2.0, "shares": 1.0, "replies": 0.0}
    assert found.share_of_voice == 1.0
    assert found.progress
    assert (found.progress.ratio, found.progress.at) == (0.5, NOW_S + 15 * 60)
    ended = replace(summer, ended_ms=int(NOW_S * 1000))
    (known_better,) = reader.campaigns([ended])
    assert (known_better.state, known_better.totals) == ("over", found.totals)
    assert [place.account for place in reader.top("campaigns")] == ["su@mmer"]
