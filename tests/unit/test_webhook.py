"""Calls of webhooks against a receiver on the loopback: signature, refusals, silence, redirects, addresses."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from streams.alerts.webhook import Caller, PublicResolver, key_of, signature
from streams.errors import ConfigurationError
from streams.secret import Secret
from streams.settings import Settings
from tests import readme

KEY = b"a key of sixteen bytes or more"


class Receiver:
    """Answers as told; `calls` has headers and body of each call."""

    def __init__(self) -> None:
        self.calls: list[tuple[dict[str, str], bytes]] = []
        self.status = 200
        self.hangs = asyncio.Event()
        self.hangs.set()
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.calls.append((dict(request.headers), await request.read()))
        await self.hangs.wait()
        return web.Response(status=self.status, headers={"Location": self.url + "elsewhere"})


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/{path:.*}", receiver.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    yield receiver
    receiver.hangs.set()
    await runner.cleanup()


@pytest.fixture
async def caller() -> AsyncIterator[Caller]:
    caller = Caller(frozenset({"127.0.0.1"}), timeout_s=60.0)
    yield caller
    await caller.close()


async def test_a_call_is_signed_over_its_time_and_its_body(receiver: Receiver, caller: Caller) -> None:
    outcome = await caller.call(receiver.url + "hook", KEY, "abc", b'{"id":"abc"}', 1_700_000_000)
    assert outcome.why == ""
    ((headers, body),) = receiver.calls
    assert (body, headers["Content-Type"], headers["Cloutstream-Alert"]) == (b'{"id":"abc"}', "application/json", "abc")
    at, sign = (part.partition("=")[2] for part in headers["Cloutstream-Signature"].split(","))
    assert at == "1700000000"
    assert sign == hmac.new(KEY, at.encode() + b"." + body, hashlib.sha256).hexdigest()


@pytest.mark.parametrize(
    ("status", "is_final"),
    [(500, False), (503, False), (429, False), (408, False), (400, True), (404, True), (410, True), (302, True)],
)
async def test_what_is_refused_for_good_is_told_from_what_may_pass(
    status: int, is_final: bool, receiver: Receiver, caller: Caller
) -> None:
    receiver.status = status
    outcome = await caller.call(receiver.url, KEY, "a", b"{}", 1)
    assert (str(status) in outcome.why, outcome.is_final) == (True, is_final)
    assert len(receiver.calls) == 1  # a redirect isn't followed


async def test_silence_and_absence_end_and_may_pass(receiver: Receiver, caller: Caller) -> None:
    receiver.hangs.clear()
    hurried = Caller(frozenset({"127.0.0.1"}), timeout_s=0.5)
    outcome = await hurried.call(receiver.url, KEY, "a", b"{}", 1)
    await hurried.close()
    assert ("too long" in outcome.why, outcome.is_final) == (True, False)
    gone = await caller.call("http://127.0.0.1:1/secret-path", KEY, "a", b"{}", 1)
    assert ("can't be reached" in gone.why, gone.is_final, "secret-path" in gone.why) == (True, False, False)


async def test_an_address_behind_the_firewall_is_called_only_if_it_is_named(receiver: Receiver) -> None:
    caller = Caller(frozenset())
    outcome = await caller.call(receiver.url, KEY, "a", b"{}", 1)
    assert (outcome.is_final, receiver.calls) == (True, [])
    # A name that resolves there is found out where the connection is made.
    named = await caller.call("https://localhost:1/", KEY, "a", b"{}", 1)
    assert "private addresses only" in named.why
    await caller.close()
    assert await PublicResolver(frozenset({"localhost"})).resolve("localhost", 80)


def test_a_key_is_of_the_settings_or_of_a_file_and_never_told(tmp_path: Path) -> None:
    (tmp_path / "hook.key").write_bytes(KEY + b"\n")
    (tmp_path / "short.key").write_bytes(b"hunter2")
    settings = Settings(webhook_secret=Secret("hunter2hunter2hunter2"), webhook_secrets_dir=str(tmp_path))
    assert key_of(settings, "") == b"hunter2hunter2hunter2"
    assert key_of(settings, "hook.key") == KEY
    for told, name, says in (
        (Settings(), "", "WEBHOOK_SECRET"),
        (Settings(), "hook.key", "WEBHOOK_SECRETS_DIR"),
        (settings, "none.key", "none.key"),
        (settings, "short.key", "at least 16"),
    ):
        with pytest.raises(ConfigurationError) as refused:
            key_of(told, name)
        assert says in str(refused.value)
        assert "hunter2" not in str(refused.value)


def test_the_receiver_of_the_readme_takes_what_is_signed_and_nothing_else() -> None:
    (source,) = [block for block in readme.blocks("python") if "hmac" in block]
    program: dict[str, Any] = {}
    exec(source, program)  # our own README
    now_s, body = int(time.time()), b'{"id":"1"}'
    given = signature(KEY, now_s, body)
    assert program["is_ours"](KEY, given, body)
    assert not program["is_ours"](KEY, given, body + b" ")
    assert not program["is_ours"](b"another key of sixteen bytes", given, body)
    assert not program["is_ours"](KEY, signature(KEY, now_s - 3600, body), body)
