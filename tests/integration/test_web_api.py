"""The dashboard's API on a real Redis: answers as described, ids as they came, streams that resume, servers that go away."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from importlib.resources import files
from typing import Any
from urllib.parse import quote

import pytest
import redis
from aiohttp import ClientSession, TCPConnector, web
from aiohttp.test_utils import TestClient, TestServer
from jsonschema import Draft202012Validator

from streams import entities
from streams.embedded import EmbeddedRedis
from streams.listening import listen
from streams.reader import AsyncReader
from streams.redis.client import connect_async, session
from streams.secret import Secret
from streams.settings import Settings
from streams.web import live
from streams.web.server import application, serving
from tests.dashboard import WAIT_S, Dashboard, Listener
from tests.scored import NOW_S, write

TOKEN = "correct-horse-battery"
HOSTILE_IDS = [
    "did:plc:abc", "user@host", "{slot}", "100%25", "a b", "<script>alert(1)</script>", "\"onload='x'", "../../etc",
    ".", "..", "a/b",
    "a\\b", "?n=1#x", "a+b&c=d", "👩\u200d🚀", "שלום 12", "a\u202eb", "\u200b", "z" + "\u0335" * 200, "漢" * 256, "{%@}" * 64,
]  # fmt: skip
Client = TestClient[web.Request, web.Application]


@pytest.fixture
def filler(settings: Settings) -> Iterator[redis.Redis]:
    with session(settings) as client:
        yield client


@pytest.fixture
async def client(settings: Settings) -> AsyncIterator[Client]:
    connected = await connect_async(settings)
    reader = AsyncReader(settings, connected, wall=lambda: NOW_S)
    client = TestClient(TestServer(application(settings, reader, wall=lambda: NOW_S)))
    await client.start_server()
    yield client
    await client.close()
    await connected.aclose()


def tell(settings: Settings, filler: redis.Redis, *numbers: int, entity: str = "account:ann") -> None:
    """Add a change for each number, which is its version and its id in the stream of a partition."""
    for number in numbers:
        change: dict[str, Any] = {"entity": entity, "before": 1.0, "after": 2.0, "ver": number, "at": NOW_S}
        change["causes"] = [{"kind": "like", "actor": "bob", "points": 0.5}]
        stream = f"{settings.redis_prefix}changes:{number % settings.partitions}"
        filler.xadd(stream, {"json": json.dumps(change)}, id=f"{number}-0")


def alert(settings: Settings, filler: redis.Redis, *numbers: int) -> None:
    for number in numbers:
        text = json.dumps({"id": f"alert-{number}", "entity": "account:ann", "at": NOW_S})
        filler.xadd(f"{settings.redis_prefix}alerts", {"json": text}, id=f"{number}-0")


def check(value: Any, schema: str) -> None:
    """Fail where a value isn't what the description says."""
    described = json.loads(files("streams.web").joinpath("static/openapi.json").read_text())
    Draft202012Validator({"$ref": f"#/components/schemas/{schema}", "components": described["components"]}).validate(value)


async def ask(client: Client, path: str, schema: str, **parameters: Any) -> Any:
    answer = await client.get(f"/api/v1/{path}", params=parameters)
    assert answer.status == 200, await answer.text()
    value = await answer.json()
    check(value, schema)
    return value


async def test_every_answer_is_as_it_is_described(settings: Settings, filler: redis.Redis, client: Client) -> None:
    prefix = settings.redis_prefix
    write(settings, filler, "ann", reach=30.0, network=4.0, amplification=-2.0, likes=5)
    write(settings, filler, "bob", reach=3.0)
    write(settings, filler, "ann", scope="topic:ai", reach=10.0)
    write(settings, filler, "ai", scope="topics", reach=40.0)
    write(settings, filler, "launch", scope="campaigns", reach=12.0, likes=5)
    wanted = {"tags": ["ai"], "goal": {"of": "likes", "value": 20}}
    definitions: dict[Any, Any] = {"launch": json.dumps(wanted), "quiet": json.dumps({"tags": ["x"]})}
    filler.hset(f"{prefix}campaigns", mapping=definitions)
    filler.lpush(f"{prefix}history:account:ann", f"[{NOW_S - 60},20.5]", f"[{NOW_S},25.25]")
    statement: dict[str, Any] = {"at": NOW_S, "ver": 7, "before": 20.5, "after": 25.25}
    statement["causes"] = [{"kind": "like", "actor": "bob", "points": 5.0, "count": 3}, {"kind": "decay", "points": -0.25}]
    filler.lpush(f"{prefix}why:account:ann", json.dumps(statement))
    alert(settings, filler, 1, 2)
    top = await ask(client, "top", "Top")
    assert [(p["rank"], p["id"], p["entity"]) for p in top["places"]] == [(1, "ann", "account:ann"), (2, "bob", "account:bob")]
    assert [p["entity"] for p in (await ask(client, "top", "Top", scope="topics"))["places"]] == ["topic:ai"]
    assert [p["entity"] for p in (await ask(client, "top", "Top", scope="topic:ai"))["places"]] == ["account:ann@topic:ai"]
    assert [p["entity"] for p in (await ask(client, "top", "Top", scope="campaigns"))["places"]] == ["campaign:launch"]
    await ask(client, "top", "Top", board="trending")
    weighted = await ask(client, "top", "Top", weights="network=0,amplification=0")
    assert (weighted["weights"], weighted["exact"]) == ({"reach": 1.0, "network": 0.0, "amplification": 0.0}, True)
    score = await ask(client, "score/account:ann", "Score")
    assert (score["rank"], score["size"], score["likes"]) == (1, 2, 5)
    assert score["reach_pts"] + score["network_pts"] + score["amplification_pts"] == pytest.approx(score["score"] - 1, abs=2e-4)
    by_weights = await ask(client, "score/account:ann", "Score", weights="network=0")
    assert (by_weights["rank"], by_weights["network_pts"]) == (None, 0.0)
    for entity in ("topic:ai", "campaign:launch", "account:ann@topic:ai"):
        assert (await ask(client, f"score/{entity}", "Score"))["entity"] == entity
    assert [p["id"] for p in (await ask(client, "around/account:bob", "Around", n=1))["places"]] == ["ann", "bob"]
    assert (await ask(client, "around/account:nobody", "Around"))["places"] == []
    history = await ask(client, "history/account:ann", "History", n=1)
    assert history["points"] == [{"at": NOW_S, "score": 25.25}]
    assert (await ask(client, "why/account:ann", "Why"))["statements"][0]["after"] == 25.25
    campaigns = await ask(client, "campaigns", "Campaigns")
    assert [(c["id"], c["score"] is None) for c in campaigns["campaigns"]] == [("launch", False), ("quiet", True)]
    launch = campaigns["campaigns"][0]
    assert (launch["progress"]["ratio"], launch["share_of_voice"], launch["totals"]["engagements"]) == (0.25, 1.0, 5)
    assert [c["id"] for c in (await ask(client, "campaigns", "Campaigns", offset=1))["campaigns"]] == ["quiet"]
    assert [a["id"] for a in (await ask(client, "alerts", "Alerts"))["alerts"]] == ["alert-2", "alert-1"]


async def test_counts_lag_and_age_are_told(settings: Settings, filler: redis.Redis, client: Client) -> None:
    nothing = await ask(client, "stats", "Stats")
    assert (nothing["complete"], nothing["age_s"], nothing["latency_p50_ms"]) == (False, None, None)
    row: dict[Any, Any] = {"applied": 10, "refused": 1, "position:events": 20, "updated_at": NOW_S - 3}
    filler.hset(f"{settings.redis_prefix}stats:0", mapping={**row, "latency_p50_ms": 12.5, "latency_p99_ms": 80})
    filler.hset(f"{settings.redis_prefix}stats:1", mapping={**row, "latency_p50_ms": 10, "latency_p99_ms": 90})
    filler.set(f"{settings.redis_prefix}epoch", "1")
    await asyncio.sleep(0.6)  # answers are shared for half a second
    stats = await ask(client, "stats", "Stats")
    assert (stats["complete"], stats["applied"], stats["position"], stats["age_s"]) == (True, 20, 40, 3.0)
    assert (stats["latency_p50_ms"], stats["latency_p99_ms"]) == (12.5, 90.0)


@pytest.mark.parametrize("account", HOSTILE_IDS)
async def test_ids_come_out_as_they_went_in(account: str, settings: Settings, filler: redis.Redis, client: Client) -> None:
    write(settings, filler, account, reach=30.0, likes=5)
    write(settings, filler, account, scope=entities.topic(account), reach=20.0, likes=3)
    (place,) = (await ask(client, "top", "Top"))["places"]
    assert place["id"] == account
    path = quote(place["entity"], safe="")
    score = await ask(client, f"score/{path}", "Score")
    assert (score["id"], score["rank"], score["likes"]) == (account, 1, 5)
    assert [p["id"] for p in (await ask(client, f"around/{path}", "Around"))["places"]] == [account]
    (inside,) = (await ask(client, "top", "Top", scope=entities.topic(account)))["places"]
    assert (inside["id"], inside["likes"]) == (account, 3)
    assert (await ask(client, f"score/{quote(inside['entity'], safe='')}", "Score"))["likes"] == 3
    async with ClientSession() as asking:
        listener = await Listener.to(asking, str(client.make_url(f"/api/v1/live?entity={path}")))
        assert (await listener.event("score"))["score"]["id"] == account
        listener.close()


async def test_pages_of_at_most_500_join_without_gap(settings: Settings, filler: redis.Redis, client: Client) -> None:
    filler.zadd(f"{settings.redis_prefix}board:all:standing", {f"a{i:04}": -float(i) for i in range(1203)})
    pages = [await ask(client, "top", "Top", n=500, offset=offset) for offset in (0, 500, 1000)]
    assert [p["id"] for page in pages for p in page["places"]] == [f"a{i:04}" for i in range(1203)]
    assert {page["size"] for page in pages} == {1203}
    assert len((await ask(client, "around/account:a0600", "Around", n=249))["places"]) == 499


async def test_what_isn_t_kept_is_said(client: Client) -> None:
    answer = await client.get("/api/v1/score/account:nobody")
    assert answer.status == 404
    assert "no score is kept for 'account:nobody'" in (await answer.json())["error"]
    assert (await ask(client, "history/account:nobody", "History"))["points"] == []
    assert (await ask(client, "campaigns", "Campaigns"))["campaigns"] == []
    assert (await ask(client, "alerts", "Alerts"))["alerts"] == []


async def test_the_stream_tells_of_boards_as_they_move(settings: Settings, filler: redis.Redis, client: Client) -> None:
    write(settings, filler, "ann", reach=30.0)
    write(settings, filler, "bob", reach=20.0)
    listener = await Listener.to(client.session, str(client.make_url("/api/v1/live?scope=all&n=2")))
    board = await listener.event("board")
    check(board, "LiveBoard")
    assert [(p["id"], p["moved"]) for p in board["places"]] == [("ann", 0), ("bob", 0)]
    check(await listener.event("stats"), "LiveStats")
    write(settings, filler, "bob", reach=40.0)
    board = await listener.event("board")
    assert [(p["id"], p["moved"]) for p in board["places"]] == [("bob", 1), ("ann", -1)]
    write(settings, filler, "cem", reach=50.0)
    board = await listener.event("board")
    assert [(p["id"], p["moved"]) for p in board["places"]] == [("cem", None), ("bob", 0)]
    listener.close()


async def test_the_stream_of_an_entity_has_its_score_and_its_changes_alone(
    settings: Settings, filler: redis.Redis, client: Client
) -> None:
    write(settings, filler, "ann", reach=30.0)
    listener = await Listener.to(client.session, str(client.make_url("/api/v1/live?entity=account:ann")))
    told = await listener.event("score")
    check(told, "LiveScore")
    assert told["score"]["score"] == pytest.approx(25.7710, abs=1e-3)
    await listener.placed()
    tell(settings, filler, 5, entity="account:bob")
    tell(settings, filler, 6)
    changes = await listener.event("changes")
    check(changes, "LiveChanges")
    assert ([c["ver"] for c in changes["changes"]], changes["skipped"]) == ([6], 0)
    filler.delete(f"{settings.redis_prefix}score:account:ann")
    assert (await listener.event("score"))["score"] is None
    listener.close()


async def test_who_comes_back_goes_on_where_it_was(settings: Settings, filler: redis.Redis, client: Client) -> None:
    url = str(client.make_url("/api/v1/live"))
    tell(settings, filler, 1, 2, 3)
    listener = await Listener.to(client.session, url)
    first = await listener.placed()
    tell(settings, filler, 4)
    alert(settings, filler, 1)
    assert await versions(listener, 1) == [4]
    told = await listener.event("alerts")
    check(told, "LiveAlerts")
    assert [a["id"] for a in told["alerts"]] == ["alert-1"]
    listener.close()
    tell(settings, filler, 5, 6)
    alert(settings, filler, 2)
    again = await Listener.to(client.session, url, listener.last_id)
    assert await versions(again, 2) == [5, 6]
    assert [a["id"] for a in (await again.event("alerts"))["alerts"]] == ["alert-2"]
    again.close()
    # From further back, where no batch that is still held ends, it is read again.
    early = await Listener.to(client.session, url, first)
    assert await versions(early, 3) == [4, 5, 6]
    tell(settings, filler, 7)
    assert await versions(early, 1) == [7]
    early.close()


async def test_a_dashboard_that_was_started_anew_tells_what_was_missed(settings: Settings, filler: redis.Redis) -> None:
    async with ClientSession() as asking:
        with Dashboard(settings) as dashboard:
            listener = await Listener.to(asking, f"{dashboard.url}/api/v1/live")
            await listener.placed()
            tell(settings, filler, 1)
            assert await versions(listener, 1) == [1]
            assert await asyncio.to_thread(dashboard.stop) == (0, "")
            await listener.ended()
        tell(settings, filler, 2, 3)
        with Dashboard(settings, dashboard.address) as dashboard:
            again = await Listener.to(asking, f"{dashboard.url}/api/v1/live", listener.last_id)
            assert await versions(again, 2) == [2, 3]
            again.close()


async def versions(listener: Listener, least: int) -> list[int]:
    """Return the versions of the next changes, so many or more."""
    seen: list[int] = []
    while len(seen) < least:
        seen += [change["ver"] for change in (await listener.event("changes"))["changes"]]
    return sorted(seen)


async def test_too_many_changes_at_once_are_told_as_skipped(settings: Settings, filler: redis.Redis, client: Client) -> None:
    listener = await Listener.to(client.session, str(client.make_url("/api/v1/live")))
    await listener.placed()
    with filler.pipeline() as pipe:  # in one transaction, so that they come at once
        for number in range(1, 201):
            change = json.dumps({"entity": "account:ann", "before": 1, "after": 2, "ver": number})
            pipe.xadd(f"{settings.redis_prefix}changes:0", {"json": change}, id=f"{number}-0")
        pipe.execute()
    seen, skipped = list[int](), 0
    while not seen or seen[-1] < 200:
        told = await listener.event("changes")
        skipped += told["skipped"]
        seen += [c["ver"] for c in told["changes"]]
    assert seen[-1] == 200
    assert len(seen) + skipped == 200
    assert skipped > 0
    listener.close()


async def test_who_asks_the_same_at_once_gets_one_answer(settings: Settings, filler: redis.Redis, client: Client) -> None:
    write(settings, filler, "ann", reach=30.0)
    await ask(client, "top", "Top", n=7)
    looks = filler.info("commandstats")["cmdstat_evalsha"]["calls"]
    answers = await asyncio.gather(*(ask(client, "top", "Top") for _ in range(100)))
    assert [[p["id"] for p in answer["places"]] for answer in answers] == 100 * [["ann"]]
    assert filler.info("commandstats")["cmdstat_evalsha"]["calls"] - looks < 50


async def test_200_clients_cost_redis_as_much_as_one(settings: Settings, filler: redis.Redis, client: Client) -> None:
    write(settings, filler, "ann", reach=30.0)
    url = str(client.make_url("/api/v1/live?scope=all"))
    async with ClientSession(connector=TCPConnector(limit=0)) as asking:
        listeners = [await Listener.to(asking, url) for _ in range(200)]
        for listener in listeners:
            assert [p["id"] for p in (await listener.event("board"))["places"]] == ["ann"]
        looks = filler.info("commandstats")["cmdstat_evalsha"]["calls"]
        write(settings, filler, "ann", reach=60.0)
        await asyncio.gather(*(listener.event("board") for listener in listeners))
        # All saw it, and between the two pictures there were no 200 looks.
        assert filler.info("commandstats")["cmdstat_evalsha"]["calls"] - looks < 100
        assert len(filler.client_list()) < 20
        for listener in listeners:
            listener.close()


async def test_a_client_that_takes_nothing_is_dropped(
    settings: Settings, filler: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "TAKES_WITHIN_S", 0.5)
    filler.zadd(f"{settings.redis_prefix}board:all:standing", {f"a{i:03}" + "x" * 200: -float(i) for i in range(500)})
    listening = listen("DASHBOARD", "127.0.0.1:0")
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)  # of its connections, too: the kernel takes little for them
    async with await AsyncReader.connect(settings) as reader, serving(settings, reader, listening):
        with socket.socket() as slow:
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            slow.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(slow, listening.getsockname())
            await loop.sock_sendall(slow, b"GET /api/v1/live?scope=all&n=500 HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await asyncio.sleep(live.TAKES_WITHIN_S + 1)
            with contextlib.suppress(ConnectionResetError):
                while await asyncio.wait_for(loop.sock_recv(slow, 65536), WAIT_S):
                    pass


async def test_there_are_so_many_clients(settings: Settings, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "MOST_CLIENTS", 1)
    listener = await Listener.to(client.session, str(client.make_url("/api/v1/live")))
    answer = await client.get("/api/v1/live")
    assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
    listener.close()


async def test_it_goes_on_by_itself_after_redis_was_away(settings: Settings, server: EmbeddedRedis) -> None:
    own = replace(settings, redis=server.url)
    with session(own) as filler:
        write(own, filler, "ann", reach=30.0)
    listening = listen("DASHBOARD", "127.0.0.1:0")
    url = f"http://127.0.0.1:{listening.getsockname()[1]}/api/v1"
    async with await AsyncReader.connect(own) as reader, serving(own, reader, listening), ClientSession() as asking:
        listener = await Listener.to(asking, f"{url}/live?scope=all")
        assert [p["id"] for p in (await listener.event("board"))["places"]] == ["ann"]
        await asyncio.to_thread(server.stop)
        while (told := await listener.event("stats"))["problem"] is None:
            pass
        check(told, "LiveStats")
        async with asking.get(f"{url}/top") as answer:
            assert answer.status == 503
        await asyncio.to_thread(server.start)
        with session(own) as filler:
            write(own, filler, "bob", reach=40.0)
        while [p["id"] for p in (await listener.event("board"))["places"]] != ["bob"]:
            pass
        while (await listener.event("stats"))["problem"] is not None:
            pass
        listener.close()


async def test_with_a_token_the_stream_wants_it_too(settings: Settings) -> None:
    own = replace(settings, dashboard_token=Secret(TOKEN))
    with Dashboard(own) as dashboard:
        assert "CLOUTSTREAM_DASHBOARD_TOKEN" in dashboard.said
        assert TOKEN not in dashboard.said
        async with ClientSession() as asking:
            async with asking.get(f"{dashboard.url}/api/v1/live") as answer:
                assert answer.status == 401
            headers = {"Authorization": f"Bearer {TOKEN}"}
            async with asking.get(f"{dashboard.url}/api/v1/live", headers=headers) as answer:
                assert answer.status == 200
