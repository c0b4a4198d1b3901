"""The dashboard without Redis: who may ask, what every answer forbids, wrong questions, the files of the page."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from importlib.resources import files
from typing import Any

import pytest
import redis.asyncio as aredis
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from openapi_spec_validator import validate

from streams.errors import ConfigurationError, ServiceUnavailable
from streams.reader import AsyncReader
from streams.secret import Secret
from streams.settings import Settings
from streams.web import hub as hubs
from streams.web import live, sse, token
from streams.web.errors import REDIS_AWAY, Refused
from streams.web.feeds import State
from streams.web.hub import Hub
from streams.web.security import POLICY, is_served
from streams.web.server import application
from streams.web.static import TYPES, Static
from streams.web.views import StateView
from tests.dashboard import Listener

TOKEN = "correct-horse-battery"
NOW_S = 1_700_000_000.0
NOWHERE = "redis://user:hunter2@127.0.0.1:1/0"  # reserved: refused at once
Client = TestClient[web.Request, web.Application]


async def client_of(settings: Settings) -> Client:
    reader = AsyncReader(settings, aredis.Redis.from_url(settings.redis))
    client = TestClient(TestServer(application(settings, reader, wall=lambda: NOW_S)))
    await client.start_server()
    return client


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    client = await client_of(Settings(redis=NOWHERE))
    yield client
    await client.close()


@pytest.fixture
async def guarded() -> AsyncIterator[Client]:
    client = await client_of(Settings(redis=NOWHERE, dashboard_token=Secret(TOKEN), dashboard_hosts="dash.example"))
    yield client
    await client.close()


def own_origin(client: Client) -> dict[str, str]:
    return {"Origin": f"http://127.0.0.1:{client.port}"}


# Who may ask


@pytest.mark.parametrize(
    "path", ["/", "/static/page.css", "/static/js/main.js", "/nothing", "/api/v1/top?n=0", "/api/v1/openapi.json"]
)
async def test_every_answer_forbids_the_browser_what_it_needn_t_do(path: str, client: Client) -> None:
    answer = await client.get(path)
    assert answer.headers["Content-Security-Policy"] == POLICY
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert "Server" not in answer.headers
    assert not any(name.startswith("Access-Control") for name in answer.headers)


@pytest.mark.parametrize(
    ("host", "only_here", "served"),
    [
        ("localhost", True, True), ("127.0.0.1", True, True), ("::1", True, True), ("dash.example", True, True),
        ("evil.example", True, False), ("localhost.evil.example", True, False), ("", True, False), ("10.0.0.1", True, False),
        ("10.0.0.1", False, True), ("evil.example", False, False), ("dash.example.", False, False),
    ],
)  # fmt: skip
def test_a_name_that_somebody_else_may_have_made_up_isn_t_served(host: str, only_here: bool, served: bool) -> None:
    assert is_served(host, {"dash.example"}, only_here=only_here) == served


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8420", "127.0.0.1.evil.example", "[::2]", "", "@127.0.0.1"])
async def test_another_host_name_is_refused(host: str, client: Client) -> None:
    answer = await client.get("/", headers={"Host": host})
    assert answer.status == 421
    assert "isn't served as" in (await answer.json())["error"]


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:99", "[::1]:8420"])
async def test_this_machine_is_served_at_whatever_port(host: str, client: Client) -> None:
    assert (await client.get("/", headers={"Host": host})).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"},
    ],
    ids=str,
)
@pytest.mark.parametrize("path", ["/static/js/main.js", "/api/v1/openapi.json", "/api/v1/live"])
async def test_a_page_of_another_site_can_load_nothing(path: str, headers: dict[str, str], client: Client) -> None:
    assert (await client.get(path, headers=headers)).status == 403


async def test_a_link_from_another_site_leads_here(client: Client) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert (await client.get("/?entity=account:ann", headers=headers)).status == 200
    assert (await client.get("/", headers=own_origin(client))).status == 200


# The token


async def test_without_the_token_a_program_is_told_and_a_person_led_to_the_form(guarded: Client) -> None:
    for path in ("/api/v1/top", "/api/v1/live", "/api/v1/openapi.json", "/api/v1/nothing"):
        answer = await guarded.get(path)
        assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    for path in ("/", "/nothing"):
        answer = await guarded.get(path, allow_redirects=False)
        assert (answer.status, answer.headers["Location"]) == (303, "/login")
    assert (await guarded.get("/static/page.css")).status == 200


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (f"Bearer {TOKEN}", 200),
        (f"bearer {TOKEN}", 401),
        (f"Bearer {TOKEN}x", 401),
        ("Bearer ", 401),
        (f"Bearer {TOKEN[:-1]}é", 401),
    ],
)
async def test_a_program_says_the_token_in_a_header(said: str, status: int, guarded: Client) -> None:
    assert (await guarded.get("/api/v1/openapi.json", headers={"Authorization": said})).status == status


async def test_who_fills_in_the_token_gets_a_cookie_that_isn_t_the_token(guarded: Client) -> None:
    answer = await guarded.post("/login", data={"token": TOKEN}, headers=own_origin(guarded), allow_redirects=False)
    assert (answer.status, answer.headers["Location"]) == (303, "/")
    cookie = answer.headers["Set-Cookie"]
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
    assert "Secure" not in cookie
    assert TOKEN not in cookie
    value = answer.cookies[token.COOKIE].value
    guarded.session.cookie_jar.clear()
    assert (await guarded.get("/", headers={"Cookie": f"{token.COOKIE}={value}"}, allow_redirects=False)).status == 200
    assert (await guarded.get("/api/v1/openapi.json", headers={"Cookie": f"{token.COOKIE}={value}x"})).status == 401


async def test_behind_tls_the_cookie_is_for_tls_alone(guarded: Client) -> None:
    headers = {"Host": "dash.example", "Origin": "https://dash.example"}
    answer = await guarded.post("/login", data={"token": TOKEN}, headers=headers, allow_redirects=False)
    assert "Secure" in answer.headers["Set-Cookie"]


async def test_another_token_gets_no_cookie_and_waits(guarded: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    sleep = asyncio.sleep

    async def counted(seconds: float) -> None:
        waited.append(seconds)
        await sleep(0)

    monkeypatch.setattr(token.asyncio, "sleep", counted)
    answer = await guarded.post("/login", data={"token": "wrong-horse-battery"}, headers=own_origin(guarded))
    assert answer.status == 401
    assert "Set-Cookie" not in answer.headers
    assert "not the token" in await answer.text()
    assert token.WRONG_PAUSE_S in waited


async def test_a_login_from_another_page_or_too_large_is_refused(guarded: Client) -> None:
    for headers in ({}, {"Origin": "http://evil.example"}):
        assert (await guarded.post("/login", data={"token": TOKEN}, headers=headers, allow_redirects=False)).status == 403
    large = {"token": "x" * token.LONGEST_FORM_BYTES}
    assert (await guarded.post("/login", data=large, headers=own_origin(guarded))).status == 413


def test_a_cookie_holds_until_its_time_and_for_its_token() -> None:
    cookie = token.signed(TOKEN, 1000)
    assert token.is_signed(TOKEN, cookie, 999.0)
    assert not token.is_signed(TOKEN, cookie, 1000.0)
    assert not token.is_signed(TOKEN + "x", cookie, 999.0)
    assert not token.is_signed(TOKEN, cookie.replace("1000", "2000"), 999.0)
    wrong = ("", ".", "x.y", "-1.x", "9" * 400 + ".x", "1e3.x", "\u0661.x")
    assert not any(token.is_signed(TOKEN, cookie, 0.0) for cookie in wrong)


@pytest.mark.parametrize(
    "settings",
    [
        {"dashboard": "0.0.0.0:8420"},
        {"dashboard": "dash.example:1"},
        {"dashboard": "[::]:1"},
        {"dashboard_hosts": "dash.example"},
    ],
    ids=str,
)
def test_beyond_this_machine_it_wants_a_token(settings: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="CLOUTSTREAM_DASHBOARD_TOKEN"):
        Settings(**settings)  # type: ignore[arg-type]  # they are strings
    Settings(**settings, dashboard_token=Secret(TOKEN))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "settings",
    [{"dashboard": ""}, {"dashboard": "8420"}, {"dashboard_token": Secret("short")}, {"dashboard_hosts": "a b"}],
    ids=str,
)
def test_settings_of_the_dashboard_are_checked(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="CLOUTSTREAM_DASHBOARD") as e:
        Settings(**settings)
    assert "short" not in str(e.value)


# Wrong questions


@pytest.mark.parametrize(
    ("path", "parameter", "said"),
    [
        ("top?n=501", "n", "n is '501'; expected a whole number from 1 to 500"),
        ("top?n=0", "n", "1 to 500"), ("top?n=-1", "n", "1 to 500"), ("top?n=1e2", "n", "1 to 500"),
        ("top?n=%D9%A3", "n", "1 to 500"),
        ("top?offset=x", "offset", "from 0"), ("top?offset=501&weights=reach=1", "offset", "at most 500"),
        ("top?limit=5", "limit", "expected scope, board, n, offset, weights"), ("top?n=1&n=2", "n", "given 2 times"),
        ("top?scope=account:ann", "scope", "topic:TAG"), ("top?scope=topic:a@b", "scope", "topic:TAG"),
        ("top?scope=", "scope", "all"),
        ("top?scope=topic:", "scope", "topic:TAG"), ("top?board=rising", "board", "standing or trending"),
        ("top?weights=love=1", "weights", "reach, network, amplification"), ("top?weights=reach=-1", "weights", "from 0 to 1000"),
        ("top?weights=reach=nan", "weights", "from 0 to 1000"), ("top?weights=reach=1&board=trending", "board", "standing"),
        ("score/ann", "entity", "account:ID"), ("score/account:ann@account:bob", "entity", "account:ID"),
        ("score/topic:a@topic:b", "entity", "account:ID"), ("score/account:", "entity", "account:ID"),
        ("score/account:%25FF", "entity", "account:ID"), ("around/account:ann?n=250", "n", "0 to 249"),
        ("history/account:ann?n=501", "n", "1 to 500"), ("why/account:ann?n=501", "n", "1 to 500"),
        ("alerts?n=501", "n", "1 to 500"),
        ("campaigns?n=501", "n", "1 to 500"), ("stats?n=1", "n", "expected none"), ("live?n=501&scope=all", "n", "1 to 500"),
        ("live?entity=x", "entity", "account:ID"), ("live?n=5", "n", "without scope"),
    ],
)  # fmt: skip
async def test_a_wrong_question_is_told_what_is_valid(path: str, parameter: str, said: str, client: Client) -> None:
    answer = await client.get(f"/api/v1/{path}")
    told = await answer.json()
    assert (answer.status, told["parameter"]) == (400, parameter)
    assert said in told["error"]


@pytest.mark.parametrize(("method", "path", "status"), [("POST", "top", 405), ("GET", "nothing", 404), ("HEAD", "live", 405)])
async def test_what_isn_t_there_is_told_as_json(method: str, path: str, status: int, client: Client) -> None:
    answer = await client.request(method, f"/api/v1/{path}", headers=own_origin(client))
    assert (answer.status, answer.content_type) == (status, "application/json")


@pytest.mark.parametrize("path", ["top", "score/account:ann", "stats", "campaigns"])
async def test_without_redis_it_says_to_try_again_and_not_where_redis_is(path: str, client: Client) -> None:
    answer = await client.get(f"/api/v1/{path}")
    text = await answer.text()
    assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
    assert "hunter2" not in text
    assert "127.0.0.1" not in text


async def test_a_stream_without_redis_says_so_and_stays(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "HEARTBEAT_S", 0.01)
    listener = await Listener.to(client.session, str(client.make_url("/api/v1/live?scope=all&entity=account:ann")))
    assert (await listener.event("stats"))["problem"] == REDIS_AWAY
    assert await listener.event("alive") == {}
    listener.close()


async def test_streams_end_when_the_dashboard_does(client: Client) -> None:
    listener = await Listener.to(client.session, str(client.make_url("/api/v1/live")))
    await client.server.close()
    await listener.ended()


@pytest.mark.parametrize(
    "said",
    ["x", "[]", "1", '{"alerts":"x"}', '{"changes:0":"1-0"}', '{"other":"1-0"}', '{"alerts":1}', '{"alerts":"1-0", }', "{" * 999],
)
def test_a_position_that_no_event_had_is_refused(said: str) -> None:
    with pytest.raises(Refused, match="Last-Event-ID"):
        sse.position_of(said, partitions=2)


def test_a_position_is_given_back_as_it_was_told() -> None:
    position = {"changes:0": "5-0", "changes:1": "0-0", "alerts": "17-3"}
    lines = sse.event("alerts", b"{}", position).decode().splitlines()
    assert lines[0] == "event: alerts"
    assert sse.position_of(lines[1].removeprefix("id: "), partitions=2) == position
    assert sse.position_of(None, partitions=2) == {}


# What is followed


async def test_many_watch_one_feed_and_who_is_slow_gets_the_newest() -> None:
    looks, value = 0, 0

    async def read() -> int:
        nonlocal looks
        looks += 1
        return value

    hub, woken = Hub(), [asyncio.Event() for _ in range(200)]
    with hub.watching("a", lambda: State("board", read, every_s=0.001), woken[0]) as feed:
        assert isinstance(feed, State)
        for event in woken[1:]:
            with hub.watching("a", lambda: pytest.fail("a second feed"), event) as same:
                assert same is feed
        quick, slow = StateView(feed), StateView(feed)
        seen = []
        for value in (1, 2, 3):  # `read` returns it
            while b"data: %d\n" % value not in (news := await quick.news()):
                woken[0].clear()
                await woken[0].wait()
            seen.append(news)
        assert await slow.news() == seen[-1]
        assert await slow.news() == b""
    hub.close()


async def test_a_redis_that_is_away_is_told_once_and_so_is_its_return(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.web.feeds.AWAY_PAUSE_S", 0.001)
    answers: list[Any] = [1, ServiceUnavailable("Redis", "x", "y"), ServiceUnavailable("Redis", "x", "y"), 1]

    async def read() -> Any:
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    feed, woken, seen = State("stats", read, 0.001, if_away={"problem": "away"}), asyncio.Event(), []
    feed.wake_by(woken)
    task = asyncio.create_task(feed.run())
    while feed.version < 3:
        await woken.wait()
        woken.clear()
        seen.append(feed.data)
    assert seen == [b"1", b'{"problem":"away"}', b"1"]
    task.cancel()


async def test_a_feed_that_breaks_sends_its_watchers_away(caplog: pytest.LogCaptureFixture) -> None:
    async def read() -> int:
        raise ZeroDivisionError

    hub, woken = Hub(), asyncio.Event()
    with hub.watching("a", lambda: State("board", read, 1.0), woken) as feed:
        await woken.wait()
        assert feed.is_over
    assert "a feed of the dashboard ended" in caplog.text
    hub.close()


async def test_there_are_so_many_feeds_and_unwatched_ones_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hubs, "MOST_FEEDS", {"board": 2})

    async def read() -> int:
        return 0

    def make() -> State:
        return State("board", read, 1.0)

    hub, woken = Hub(), asyncio.Event()
    with hub.watching("a", make, woken):
        with hub.watching("b", make, woken), pytest.raises(Refused, match="watched already"), hub.watching("c", make, woken):
            pytest.fail("a third feed")
        with hub.watching("c", make, woken) as third:
            assert not third.is_over
    hub.close()


# The description and the files


def test_the_api_is_described_as_openapi() -> None:
    described = json.loads(files("streams.web").joinpath("static/openapi.json").read_text())
    validate(described)
    app = application(Settings(), AsyncReader(Settings(), aredis.Redis()))
    answered = {
        re.sub(r"\{(\w+):[^}]*\}", r"{\1}", resource.canonical)
        for resource in app.router.resources()
        if resource.canonical.startswith("/api/")
    }
    assert {"/api/v1" + path for path in described["paths"]} == answered


def test_nothing_in_the_page_is_inline_from_elsewhere_or_markup_made_of_text() -> None:
    static = Static()
    folder = files("streams.web").joinpath("static")
    for path in static.paths:
        text = folder.joinpath(path).read_text()
        if path.endswith(".html"):
            assert re.findall(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=|javascript:", text) == [], path
        if path.endswith(".js"):
            forbidden = (
                r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|DOMParser|setAttribute\(\"style\""
            )
            assert re.findall(forbidden, text) == [], path
        outside = set(re.findall(r"(?:https?:)?//[\w.-]+\.\w+[^\s\"'`]*", text)) - {"http://www.w3.org/2000/svg"}
        if path != "openapi.json":
            assert {url for url in outside if not url.startswith("// ")} == set(), path


def test_every_file_that_the_page_names_is_there_and_none_else() -> None:
    folder = files("streams.web").joinpath("static")
    static = Static()
    named = {"page.html", "login.html", "openapi.json"}
    for path in ("page.html", "login.html"):
        named |= set(re.findall(r"\"/static/([^\"]+)\"", folder.joinpath(path).read_text()))
    for path in static.paths:
        if path.endswith(".js"):
            named |= {f"js/{name}" for name in re.findall(r"from \"\./([^\"]+)\"", folder.joinpath(path).read_text())}
    assert named == set(static.paths)
    assert {path.rpartition(".")[2] for path in static.paths} <= TYPES.keys()


async def test_files_are_kept_by_a_browser_until_they_change_and_nothing_else_is_served(client: Client) -> None:
    first = await client.get("/static/js/main.js")
    assert (first.content_type, first.charset) == ("text/javascript", "utf-8")
    again = await client.get("/static/js/main.js", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status, await again.read()) == (304, b"")
    for path in (
        "/static/../server.py",
        "/static/%2e%2e/server.py",
        "/static/js/",
        "/static/..%2fserver.py",
        "/static//etc/passwd",
    ):
        assert (await client.get(path)).status == 404, path


def test_one_token_for_all_names(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = replace(Settings(), dashboard_token=Secret(TOKEN), dashboard_hosts="Dash.example, other.example")
    assert settings.dashboard_names == ["dash.example", "other.example"]
    assert TOKEN not in repr(settings)
