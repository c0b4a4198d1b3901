"""Sources against networks on loopback that break, repeat, hang and refuse."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

import aiohttp
import networks
import pytest
import trustme
from aiohttp import web
from networks import Network, Step

from streams.errors import ConfigurationError
from streams.secret import Secret
from streams.sources import Source, connecting
from streams.sources.activitystreams.inbox import Inbox
from streams.sources.bluesky.jetstream import Jetstream, Options
from streams.sources.mastodon.source import Mastodon
from streams.sources.mastodon.source import Options as MastodonOptions
from streams.sources.x.source import STREAM_PATH, X
from streams.sources.x.source import Options as XOptions

AT_US = 1_783_175_888_000_000
WITHIN_S = 20.0
TOKEN = Secret("hunter2")


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connecting, "FIRST_WAIT_S", 0.01)


def like(number: int) -> bytes:
    """Return the like of second `number`."""
    record = {"subject": {"uri": "at://did:plc:ben/app.bsky.feed.post/1", "cid": "c"}}
    change = {"operation": "create", "collection": "app.bsky.feed.like", "rkey": str(number), "record": record}
    return json.dumps({"did": "did:plc:ann", "time_us": AT_US + number * 1_000_000, "kind": "commit", "commit": change}).encode()


def version_2(number: int) -> bytes:
    old = json.loads(like(number))
    time = f"2026-07-04T14:{38 + (8 + number) // 60:02d}:{(8 + number) % 60:02d}.000000Z"
    payload = {
        "$type": "network.bsky.jetstream.subscribeEvents#commit",
        "seq": number,
        "did": old["did"],
        "time": time,
        **old["commit"],
    }
    return json.dumps({"$type": "message", "payload": payload}).encode()


async def ids(source: Source, until: int, position: Any = None) -> list[str]:
    """Return the ids of the events of a source, until it has given so many different ones."""
    found: list[str] = []
    async with asyncio.timeout(WITHIN_S), aclosing(source.batches(position)) as batches:
        async for batch in batches:
            found += [event.id for message in batch for event in source.map(message).events]
            if len(set(found)) >= until:
                return found
    return found


def liked(numbers: Sequence[int]) -> list[str]:
    return [f"at://did:plc:ann/app.bsky.feed.like/{n}" for n in numbers]


@pytest.mark.parametrize("version", [1, 2])
async def test_a_jetstream_of_either_version_is_read(version: int) -> None:
    messages = [like(n) if version == 1 else version_2(n) for n in range(10)]
    async with networks.jetstream(Step(messages, then="stay")) as network:
        source = Jetstream(Options([network.url], version))
        assert await ids(source, 10) == liked(range(10))
        assert source.position() == {"time_us": AT_US + 9_000_000}
        assert network.queries("cursor") == [[]]
        protocol = network.asked[0].headers.get("Sec-WebSocket-Protocol")
        assert protocol == (None if version == 1 else "xrpc.v1.json")


@pytest.mark.parametrize("then", ["close", "break", "hang"])
async def test_after_a_break_the_last_seconds_are_read_again_and_nothing_is_missing(then: str) -> None:
    messages = [like(n) for n in range(40)]
    script = [Step(messages[:20], then=then, half=b'{"did'), Step(messages, keeps_cursor=True, then="stay")]
    async with networks.jetstream(*script) as network:
        source = Jetstream(Options([network.url], silence_s=2.0))
        found = await ids(source, 40)
        assert network.queries("cursor") == [[], [str(AT_US + 19_000_000 - 5_000_000)]]
    assert found == liked(range(20)) + liked(range(14, 40))
    assert source.counters()["reconnects"] == 1


async def test_duplicates_and_another_order_give_the_same_events() -> None:
    messages = [like(n) for n in (0, 2, 1, 1, 4, 3, 0, 5)]
    async with networks.jetstream(Step(messages, then="stay")) as network:
        assert set(await ids(Jetstream(Options([network.url])), 6)) == set(liked(range(6)))


async def test_a_position_is_where_the_next_process_begins() -> None:
    async with networks.jetstream(Step([like(n) for n in range(40)], keeps_cursor=True, then="stay")) as network:
        source = Jetstream(Options([network.url], overlap_s=2.0))
        assert await ids(source, 22, {"time_us": AT_US + 20_000_000}) == liked(range(18, 40))


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_busy_host_is_asked_again_and_another_one_meanwhile(status: int) -> None:
    busy = Step(status=status, headers={"Retry-After": "600"})
    async with networks.jetstream(busy) as first, networks.jetstream(Step([like(1)], then="stay")) as second:
        told: list[str] = []
        source = Jetstream(Options([first.url, second.url]))
        source.tell = told.append
        assert await ids(source, 1) == liked([1])
        assert f"it answers {status}" in told[0]


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_a_host_that_refuses_ends_it_when_there_is_no_other(status: int) -> None:
    async with networks.jetstream(Step(status=status)) as network:
        with pytest.raises(ConfigurationError, match=f"it answers {status}"):
            await ids(Jetstream(Options([network.url])), 1)
        assert len(network.asked) == 1


async def test_a_position_older_than_what_a_host_keeps_begins_with_its_oldest_messages() -> None:
    now_us = round(time.time() * 1e6)
    told: list[str] = []
    fresh = like(1).replace(str(AT_US + 1_000_000).encode(), str(now_us).encode())
    async with networks.jetstream(Step(status=400), Step([fresh], then="stay")) as network:
        source = Jetstream(Options([network.url], version=2))
        source.tell = told.append
        found = await ids(source, 1, {"time_us": now_us - 72 * 3600 * 1_000_000})
        (first,), (second,) = network.queries("cursor")
    assert found == liked([1])
    assert int(first) == now_us - 72 * 3600 * 1_000_000 - 5_000_000
    assert now_us - 36 * 3600 * 1_000_000 < int(second) < now_us - 35 * 3600 * 1_000_000
    assert "the position is older than what it keeps" in told[0]


async def test_a_host_that_refuses_a_position_it_should_have_ends_it_with_what_to_do() -> None:
    async with networks.jetstream(Step(status=400)) as network:
        with pytest.raises(ConfigurationError, match=r"it answers 400.* start with --from-scratch"):
            await ids(Jetstream(Options([network.url], version=2)), 1, {"time_us": round(time.time() * 1e6)})
        assert len(network.asked) == 1


async def test_text_that_is_no_utf_8_is_counted_and_breaks_nothing() -> None:
    async with networks.jetstream(Step([like(1), b"\xff\xfe", like(2)], then="stay")) as network:
        source = Jetstream(Options([network.url]))
        assert await ids(source, 2) == liked([1, 2])
        assert source.counters()["reconnects"] == 0


async def test_a_wrong_certificate_is_refused_and_a_trusted_one_is_not(tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    async with networks.jetstream(Step([like(1)], then="stay"), ssl=context) as network:
        with pytest.raises(ConfigurationError, match="its certificate isn't trusted"):
            await ids(Jetstream(Options([network.url])), 1)
        assert await ids(Jetstream(Options([network.url], ca_file=tmp_path / "ca.pem")), 1) == liked([1])


async def test_nobody_listening_is_tried_again_until_someone_does() -> None:
    async with networks.jetstream(Step([like(1)], then="stay")) as network:
        assert await ids(Jetstream(Options(["ws://127.0.0.1:1", network.url])), 1) == liked([1])


async def test_a_host_that_begins_later_than_asked_is_told_of() -> None:
    async with networks.jetstream(Step([like(500)], then="stay")) as network:
        told: list[str] = []
        source = Jetstream(Options([network.url]))
        source.tell = told.append

        async def look() -> None:
            while not told:
                await asyncio.sleep(0.01)

        reading = asyncio.ensure_future(ids(source, 2, {"time_us": AT_US}))
        await asyncio.wait_for(look(), WITHIN_S)
        reading.cancel()
        assert "begins 500 s after" in told[0]
        assert source.counters()["gap_seconds"] == 500.0


async def test_a_reader_that_takes_nothing_slows_the_host_down_instead_of_filling_the_memory() -> None:
    big = like(1).replace(b'"did"', b'"text":"' + b"x" * 100_000 + b'","did"', 1)
    # Not compressed, or all of it would fit into the buffers between the two.
    async with networks.jetstream(Step([big] * 1000, then="stay", is_compressed=False)) as network:
        source = Jetstream(Options([network.url]))
        async with aclosing(source.batches(None)) as batches:
            taken = len(await asyncio.wait_for(anext(batches), WITHIN_S))
            held = -1
            while network.sent != held:  # until the host waits, or has sent everything
                held = network.sent
                await asyncio.sleep(1.0)
            assert held < 1000
            while taken < 1000:
                taken += len(await asyncio.wait_for(anext(batches), WITHIN_S))


@pytest.mark.parametrize("version", [1, 2])
async def test_compressed_frames_are_read(version: int, tmp_path: Path) -> None:
    zstandard = pytest.importorskip("zstandard")
    samples = [(like(n) if version == 1 else version_2(n)) for n in range(2000)]
    dictionary = zstandard.train_dictionary(4096, samples, dict_id=77)
    packer = zstandard.ZstdCompressor(dict_data=dictionary)
    asked: list[dict[str, str]] = []

    async def subscribe(request: web.Request) -> web.StreamResponse:
        asked.append(dict(request.query))
        socket = web.WebSocketResponse(protocols=("xrpc.v1.json",))
        await socket.prepare(request)
        await socket.send_bytes(b"not zstd")
        for message in samples[:5]:
            await socket.send_bytes(packer.compress(message))
        await socket.receive()
        return socket

    async def hand_out(request: web.Request) -> web.StreamResponse:
        return web.Response(body=dictionary.as_bytes())

    (file := tmp_path / "dictionary").write_bytes(dictionary.as_bytes())
    path = "/xrpc/network.bsky.jetstream"
    routes = [
        ("GET", "/subscribe", subscribe),
        ("GET", f"{path}.subscribeEvents", subscribe),
        ("GET", f"{path}.getZstdDictionary", hand_out),
    ]
    async with networks.served(*routes) as address:
        source = Jetstream(Options([f"ws://{address}"], version, is_compressed=True, dictionary=file))
        assert await ids(source, 5) == liked(range(5))
    assert asked[0].get("compress" if version == 1 else "zstdDictionary") == ("true" if version == 1 else "77")


STATUS = {
    "id": "1", "uri": "https://h/1", "created_at": "2026-01-31T12:00:00Z", "account": {"id": "1", "acct": "ann"}, "reblog": None,
}  # fmt: skip


def sse(number: int) -> bytes:
    return (
        b":thump\n\nevent: update\ndata: "
        + json.dumps(STATUS | {"id": f"{number}", "uri": f"https://h/{number}"}).encode()
        + b"\n\n"
    )


async def test_server_sent_events_are_read_over_breaks_half_messages_and_silence() -> None:
    network = Network(
        Step(status=503),
        Step([sse(1)], then="break", half=sse(2)[:40]),
        Step([sse(2)], then="hang"),
        Step([sse(3)], then="close"),
        Step([sse(4)], then="stay"),
    )
    async with networks.served(("GET", "/api/v1/streaming/public", network.stream)) as address:
        source = Mastodon(MastodonOptions(f"http://{address}", token=TOKEN, silence_s=2.0))
        assert await ids(source, 4) == [f"https://h/{n}" for n in (1, 2, 3, 4)]
    assert {request.headers["Authorization"] for request in network.asked} == {"Bearer hunter2"}


async def test_the_websocket_of_mastodon_is_read() -> None:
    message = json.dumps({"stream": ["public"], "event": "update", "payload": json.dumps(STATUS)}).encode()
    network = Network(Step([b"no json", message], then="stay"))
    async with networks.served(("GET", "/api/v1/streaming", network.socket)) as address:
        source = Mastodon(MastodonOptions(f"http://{address}", is_websocket=True))
        assert await ids(source, 1) == ["https://h/1"]
    assert network.queries("stream") == [["public"]]


def post(number: int) -> bytes:
    return json.dumps({"data": {"id": str(number), "author_id": "7", "created_at": "2026-01-31T12:00:00Z"}}).encode() + b"\r\n"


@pytest.mark.parametrize("has", [[], ["cats"], ["cats", "dogs"]])
async def test_the_filtered_stream_has_the_rules_it_was_told_and_keeps_the_others(has: list[str]) -> None:
    network = Network(Step([b"\r\n", post(1), b"\r\n"], then="close"), Step([post(2)], then="stay"))
    added: list[str] = []

    async def rules(request: web.Request) -> web.StreamResponse:
        if request.method == "POST":
            added.extend(rule["value"] for rule in (await request.json())["add"])
            return web.json_response({"meta": {}}, status=201)
        return web.json_response({"data": [{"id": "1", "value": value} for value in has + added]})

    routes = [
        ("GET", STREAM_PATH, network.stream),
        ("GET", f"{STREAM_PATH}/rules", rules),
        ("POST", f"{STREAM_PATH}/rules", rules),
    ]
    async with networks.served(*routes) as address:
        told: list[str] = []
        source = X(XOptions(TOKEN, ["cats"], has_backfill=True, api=f"http://{address}"))
        source.tell = told.append
        assert await ids(source, 2) == ["x-1", "x-2"]
    assert added == ([] if "cats" in has else ["cats"])
    assert network.queries("backfill_minutes") == [[], ["5"]]
    assert any("'dogs'" in line for line in told) == ("dogs" in has)
    assert "hunter2" not in "".join(told)


async def test_rules_that_cannot_be_read_are_asked_for_again_and_refused_ones_end_it() -> None:
    answers = [b"<html>", b'{"data": [{"id": 1}]}', b"{}"]

    async def rules(request: web.Request) -> web.StreamResponse:
        refusal = b'{"errors": [{"title": "Invalid Rule"}]}'
        return web.Response(body=refusal if request.method == "POST" else answers.pop(0))

    path, told = f"{STREAM_PATH}/rules", list[str]()
    async with networks.served(("GET", path, rules), ("POST", path, rules)) as address:
        source = X(XOptions(TOKEN, ["cats"], api=f"http://{address}"))
        source.tell = told.append
        with pytest.raises(ConfigurationError, match=r"X refuses the rules \['cats'\].*Invalid Rule"):
            await ids(source, 1)
    assert ["can't be read" in line for line in told] == [True, True]


async def test_a_token_that_is_refused_ends_it_without_being_shown() -> None:
    async def refuse(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=401)

    async with networks.served(("GET", f"{STREAM_PATH}/rules", refuse)) as address:
        with pytest.raises(ConfigurationError, match="it answers 401: the token isn't accepted") as caught:
            await ids(X(XOptions(TOKEN, ["cats"], api=f"http://{address}")), 1)
    assert "hunter2" not in str(caught.value)


async def test_an_inbox_says_that_an_activity_is_taken_only_when_it_is_durable() -> None:
    source = Inbox("127.0.0.1:0", TOKEN)
    told: list[str] = []
    source.tell = told.append
    activity = {"type": "Like", "id": "l", "actor": "a", "object": "https://h/users/b/statuses/1"}
    async with asyncio.timeout(WITHIN_S), aclosing(source.batches(None)) as batches, aiohttp.ClientSession() as session:
        coming = asyncio.ensure_future(anext(batches))
        while not told:
            await asyncio.sleep(0.01)
        url = told[0].removeprefix("inbox at ")
        async with session.post(url, json=activity) as answer:
            assert answer.status == 401
        posting = asyncio.ensure_future(session.post(url, json=activity, headers={"Authorization": "Bearer hunter2"}))
        (message,) = await coming
        assert [(e.id, e.kind, e.author) for e in source.map(message).events] == [("l", "like", "https://h/users/b")]
        await asyncio.sleep(0.05)
        assert not posting.done()
        source.durable()
        async with await posting as answer:
            assert answer.status == 202
