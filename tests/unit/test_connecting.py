"""Connections that break, batches, tokens and counts: everything of a source but its network."""

from __future__ import annotations

import asyncio
import doctest
import importlib
import pkgutil
import random
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from pathlib import Path

import aiohttp
import pytest
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from streams import sources
from streams.errors import ConfigurationError, UsageError
from streams.events.decode import Event
from streams.secret import Secret
from streams.sources import Mapped, connecting
from streams.sources.bounded import ENTRY_BYTES, Bounded
from streams.sources.connecting import LONGEST_WAIT_S, Broken, Hosts, Refused, failure_of, failure_of_status, mended
from streams.sources.counts import BEHIND_S, MOST_NAMES, OTHERS, Counts, Slowness
from streams.sources.gather import gathered
from streams.sources.http import base_url
from streams.sources.secret import bearer, read_token
from streams.sources.sse import MOST_BYTES, Lines

NOW_S = 1_783_175_888.0  # 2026-07-04 14:38:08


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connecting, "FIRST_WAIT_S", 0.0)


def test_hosts_are_taken_in_turn_and_the_wait_doubles_with_each_round(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connecting, "FIRST_WAIT_S", 0.5)
    hosts, asked, waits = Hosts(["a", "b"], random.Random(1)), [], []
    for _ in range(20):
        asked.append(hosts.current)
        waits.append(hosts.failed())
    assert asked[:4] == ["a", "b", "a", "b"]
    for i, wait_s in enumerate(waits):
        most_s = min(LONGEST_WAIT_S, 0.5 * 2 ** (i // 2))
        assert most_s / 2 <= wait_s <= most_s
    hosts.works()
    assert hosts.failed() <= 0.5
    assert hosts.breaks == 21


def test_what_a_host_asks_for_is_waited_for_unless_there_is_another() -> None:
    assert Hosts(["a"]).failed(30.0) == 30.0
    assert Hosts(["a", "b"]).failed(30.0) == 0.0


def error_of(status: int, **headers: str) -> aiohttp.WSServerHandshakeError:
    info = aiohttp.RequestInfo(URL("http://h"), "GET", CIMultiDictProxy(CIMultiDict()), URL("http://h"))
    return aiohttp.WSServerHandshakeError(info, (), status=status, message="m", headers=CIMultiDict(headers))


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_some_answers_will_never_be_better(status: int) -> None:
    assert isinstance(failure_of(error_of(status), NOW_S), Refused)
    assert isinstance(failure_of_status(status, {}, NOW_S), Refused)


@pytest.mark.parametrize(
    ("status", "headers", "after_s"),
    [
        (429, {"Retry-After": "7"}, 7),
        (429, {"x-rate-limit-reset": "soon"}, 0),
        (429, {"x-rate-limit-reset": f"{NOW_S + 50:.0f}"}, 50),
        (503, {}, 0),
        (503, {"Retry-After": "99999999"}, 900),
        (503, {"Retry-After": "Sat, 04 Jul 2026 14:40:08 GMT"}, 120),
        (503, {"Retry-After": "Sat, 04 Jul 2026 14:30:00 GMT"}, 0),
        (503, {"Retry-After": "Sat, 04 Jul 99999 14:30:00 GMT"}, 0),
        (503, {"Retry-After": "after lunch"}, 0),
        (429, {"Retry-After": "after lunch", "x-rate-limit-reset": f"{NOW_S + 50:.0f}"}, 50),
        (500, {"x-rate-limit-reset": "1"}, 0),
    ],
)
def test_others_say_when_to_come_again(status: int, headers: dict[str, str], after_s: float) -> None:
    failure = failure_of(error_of(status, **headers), NOW_S)
    assert isinstance(failure, Broken)
    assert failure.retry_after_s == after_s
    assert str(status) in str(failure)


def test_a_silent_host_and_a_lost_connection_may_come_back() -> None:
    assert str(failure_of(TimeoutError(), NOW_S)) == "it doesn't answer"
    assert isinstance(failure_of(aiohttp.ServerDisconnectedError(), NOW_S), Broken)


async def taken(hosts: Hosts, script: dict[str, list[object]], most: int) -> tuple[list[object], list[str]]:
    """Return the first items, and what was told, of connections that follow a script by host: items, and errors to raise."""
    told: list[str] = []

    async def connect(host: str) -> AsyncGenerator[object, None]:
        for step in script[host].pop(0) if script[host] else []:  # type: ignore[attr-defined]  # a list of lists
            if isinstance(step, Exception):
                raise step
            yield step

    found: list[object] = []
    async with aclosing(mended(hosts, connect, told.append)) as stream:
        async for item in stream:
            found.append(item)
            if len(found) == most:
                break
    return found, told


async def test_a_stream_goes_on_at_the_next_host_whatever_breaks() -> None:
    script: dict[str, list[object]] = {"a": [[1, Broken("x")], [3]], "b": [[2], [Broken("y")]], "c": [[Refused("no")]]}
    found, told = await taken(Hosts(["a", "b", "c"]), script, 3)
    assert found == [1, 2, 3]
    assert told == [
        "a: x; asking b in 0.0 s",
        "b: it closed the connection; asking c in 0.0 s",
        "c: no; it is asked no more",
    ]


async def test_when_every_host_refuses_it_ends_and_says_why() -> None:
    script: dict[str, list[object]] = {"a": [[Refused("its token isn't accepted")]], "b": [[Refused("it is forbidden")]]}
    with pytest.raises(ConfigurationError, match=r"^b: it is forbidden$"):
        await taken(Hosts(["a", "b"]), script, 1)


async def test_items_come_as_batches_of_what_is_there_and_no_more_are_read_than_are_taken() -> None:
    read = 0

    async def items() -> AsyncIterator[int]:
        nonlocal read
        for number in range(100):
            read += 1
            yield number

    async with aclosing(gathered(items(), 5.0, lambda _: 1, most=10)) as batches:
        first = await anext(batches)
        assert first == list(range(10))
        for _ in range(20):
            await asyncio.sleep(0)
        assert read <= 20
        rest = [item for batch in [b async for b in batches] for item in batch]
    assert first + rest == list(range(100))


async def test_no_more_bytes_are_read_than_there_is_room_for() -> None:
    async def items() -> AsyncIterator[bytes]:
        for _ in range(6):
            yield b"x" * (5 << 20)

    batches = [len(batch) async for batch in gathered(items(), 5.0, len)]
    assert batches == [4, 2]


async def test_silence_breaks_a_connection_and_errors_come_through_after_what_came_before() -> None:
    async def silent() -> AsyncIterator[int]:
        yield 1
        await asyncio.sleep(60)

    async def failing() -> AsyncIterator[int]:
        yield 1
        raise OSError("lost")

    async def drain(items: AsyncIterator[int], into: list[int]) -> None:
        async for batch in gathered(items, 0.05, lambda _: 1):
            into += batch

    for items, error in ((silent(), Broken), (failing(), OSError)):
        found: list[int] = []
        with pytest.raises(error):
            await drain(items, found)
        assert found == [1]


def test_a_line_without_an_end_breaks_the_connection() -> None:
    lines = Lines()
    assert lines.feed(b"x" * MOST_BYTES) == []
    with pytest.raises(Broken, match="a line has more than"):
        lines.feed(b"x")


def test_a_bounded_store_forgets_what_was_used_longest_ago() -> None:
    store = Bounded(3 * (ENTRY_BYTES + 1))
    for key in "abc":
        store.put(key, b"1")
    assert store.get("a") == b"1"
    store.put("d", b"1")
    assert [key for key in "abcd" if store.get(key)] == ["a", "c", "d"]
    store.put("d", b"22")
    assert (len(store), store.forgotten) == (2, 2)
    assert store.pop("d") == b"22"
    assert (store.pop("d"), store.used_bytes) == (None, (ENTRY_BYTES + 1) * len(store))


def test_a_token_comes_from_a_file_or_the_environment_and_is_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (file := tmp_path / "token").write_text("hunter2\n")
    monkeypatch.setenv("A_TOKEN", "hunter3")
    assert read_token("A_TOKEN", file).reveal() == "hunter2"
    assert read_token("A_TOKEN", None).reveal() == "hunter3"
    assert read_token("NO_TOKEN", None) == ""
    assert "hunter" not in f"{read_token('A_TOKEN', file)} {read_token('A_TOKEN', file)!r}"


@pytest.mark.parametrize("content", ["", "two words", "line\nline", "caf\u00e9", "a\x07b"])
def test_a_file_without_a_token_is_named_and_its_content_is_not(content: str, tmp_path: Path) -> None:
    (file := tmp_path / "token").write_text(content, encoding="utf-8")
    with pytest.raises(ConfigurationError, match="holds no token") as caught:
        read_token("A_TOKEN", file)
    assert not content or content not in str(caught.value)
    with pytest.raises(ConfigurationError, match="can't be read"):
        read_token("A_TOKEN", tmp_path / "none")


def test_a_token_is_only_shown_over_tls_or_to_this_machine() -> None:
    for url in ("https://far.example", "wss://far.example", "http://127.0.0.1:1", "http://localhost:1", "http://[::1]:1"):
        assert bearer(url, Secret("t")) == {"Authorization": "Bearer t"}
    assert bearer("http://far.example", Secret("")) == {}
    with pytest.raises(ConfigurationError, match="in the clear"):
        bearer("http://127.0.0.1.far.example", Secret("t"))


@pytest.mark.parametrize(
    "said",
    [
        "",
        "wss://",
        "https://h",
        "ws:///subscribe",
        "h:port",
        "h:99999",
        "wss://[::1",
        "wss://h?cursor=1",
        "a b",
    ],
)
def test_what_is_no_host_is_named_before_anything_connects(said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(f"--host is {said!r}; expected a host's name")):
        base_url(said, "--host", "wss")


def test_a_password_in_a_url_is_refused_and_not_shown() -> None:
    with pytest.raises(UsageError, match=r"^SERVER is 'https://\.\.\.@h'") as caught:
        base_url("https://me:hunter2@h", "SERVER", "https")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("module", [m.name for m in pkgutil.walk_packages(sources.__path__, "streams.sources.")])
def test_the_examples_of_its_docstrings_are_right(module: str) -> None:
    assert doctest.testmod(importlib.import_module(module)).failed == 0


def test_counts_have_a_bounded_number_of_names() -> None:
    counts = Counts()
    counts.take([Mapped(f"kind {n}", dropped=f"why {n}") for n in range(MOST_NAMES + 50)])
    assert (len(counts.messages), counts.messages[OTHERS], counts.messages.total()) == (MOST_NAMES + 1, 50, MOST_NAMES + 50)
    assert counts.dropped.total() == MOST_NAMES + 50


def test_events_are_counted_by_kind_and_age() -> None:
    counts = Counts()
    assert counts.behind_s(100.0) is None
    like = Event("1", "like", "a", "b", 40.0)
    counts.take(
        [Mapped("x", [like, Event("1", "like", "a", "b", 90.0, undo=True)], is_kept=True), Mapped("y", forget="a", is_kept=True)]
    )
    assert (dict(counts.events), counts.forget) == ({"like": 1, "undo": 1}, 1)
    assert counts.behind_s(100.0) == 60.0
    counts.take([Mapped("y")])
    assert counts.behind_s(100.0) == 60.0
    assert counts.rates(10.0) == (0.0, 0.0)
    counts.take([Mapped("y")] * 10)
    assert counts.rates(12.0) == (5.0, 0.0)


def test_falling_behind_and_catching_up_are_told_once_each() -> None:
    told: list[str] = []
    slowness = Slowness(told.append)
    for behind_s in (1.0, BEHIND_S + 1, BEHIND_S * 9, BEHIND_S - 1, BEHIND_S / 2 - 1, 1.0):
        slowness.look(behind_s)
    assert [line.partition(":")[0] for line in told] == ["behind", "caught up"]
