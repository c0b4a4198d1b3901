"""The deliverer on a real Redis and a webhook: what is known of rules, and of who is forgotten, decides what is told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
import redis
from aiohttp import web

from agents.control import Control
from agents.counters import Counters
from agents.deliverer import Deliverer
from streams.alerts.rules import Rule, checked, encode
from streams.alerts.webhook import Caller
from streams.control import forgetting
from streams.control.state import ControlRecord, Fetched
from streams.redis.deliveries import GROUP, Deliveries
from streams.secret import Secret
from streams.settings import Settings

ALERT = {
    "id": "1",
    "rule": "r",
    "kind": "jump",
    "entity": "account:ann",
    "causes": [{"kind": "like", "actor": "bob", "points": 1.0}],
}


class Hook:
    """A webhook: `calls` has the bodies it got; it answers with `status`, after `on_call`."""

    def __init__(self) -> None:
        self.calls: list[bytes] = []
        self.status = 200
        self.on_call: Callable[[], None] = lambda: None
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.calls.append(await request.read())
        self.on_call()
        return web.Response(status=self.status)


@pytest.fixture
async def hook() -> AsyncIterator[Hook]:
    hook = Hook()
    app = web.Application()
    app.router.add_post("/", hook.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    hook.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    yield hook
    await runner.cleanup()


class Site:
    """A deliverer that runs, an alert for it, and what it knows."""

    def __init__(self, settings: Settings, control: Control, client: redis.Redis) -> None:
        self.control, self._settings, self.client = control, settings, client

    def learn(self, *records: tuple[bytes, bytes]) -> None:
        """Have the control topic read to an end at which there are such records."""
        now_s = time.time()
        told = [ControlRecord(n, int(now_s * 1000), key, value) for n, (key, value) in enumerate(records)]
        self.control.state.apply(Fetched(told, now_s))

    def forget(self, account: str) -> None:
        self.learn((b"forget:" + forgetting.id_of(account).encode(), forgetting.encode(forgetting.Forgetting())))

    @property
    def pending(self) -> int:
        pending: Any = self.client.xpending(f"{self._settings.redis_prefix}alerts", GROUP)
        return int(pending["pending"])

    @property
    def undelivered(self) -> int:
        return int(self.client.xlen(f"{self._settings.redis_prefix}alerts:undelivered"))  # type: ignore[arg-type]  # redis-py's

    async def until(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)


@asynccontextmanager
async def delivering(settings: Settings) -> AsyncIterator[Site]:
    settings = Settings.from_environ(settings.to_environ(), webhook_secret=Secret("a key of sixteen bytes or more"))
    control = Control()
    app: Any = SimpleNamespace(settings=settings, control=control, counters=Counters(), clock=time)
    with redis.Redis.from_url(settings.redis) as client:
        client.xgroup_create(f"{settings.redis_prefix}alerts", GROUP, id="0", mkstream=True)
        client.xadd(f"{settings.redis_prefix}alerts", {"json": orjson.dumps(ALERT)})
        deliverer = Deliverer(app, Deliveries(settings), Caller(frozenset({"127.0.0.1"})), first_pause_s=0.3)
        running = asyncio.create_task(deliverer.run())
        try:
            yield Site(settings, control, client)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


def rule(hook: Hook) -> tuple[bytes, bytes]:
    return b"rule:r", encode(checked(Rule(id="r", kind="jump", scope="all", points=1.0, webhook=hook.url)))


async def test_nothing_is_taken_for_an_alert_without_a_rule_before_rules_are_read(
    settings: Settings, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agents.deliverer.RULE_WITHIN_S", 0.0)
    async with delivering(settings) as site:
        await asyncio.sleep(1.5)
        site.learn(rule(hook))
        await site.until(lambda: hook.calls)
        await site.until(lambda: not site.pending)
        assert orjson.loads(hook.calls[0]) == ALERT


@pytest.mark.parametrize("account", ["ann", "bob"])
async def test_an_alert_that_names_somebody_forgotten_meanwhile_is_not_tried_again(
    account: str, settings: Settings, hook: Hook
) -> None:
    hook.status = 500
    async with delivering(settings) as site:
        site.learn(rule(hook))
        hook.on_call = lambda: site.forget(account)
        await site.until(lambda: hook.calls)
        await site.until(lambda: not site.pending)
        assert (len(hook.calls), site.undelivered) == (1, 0)


async def test_nor_is_it_put_aside(settings: Settings, hook: Hook) -> None:
    hook.status = 410
    async with delivering(settings) as site:
        site.learn(rule(hook))
        hook.on_call = lambda: site.forget("bob")
        await site.until(lambda: hook.calls)
        await site.until(lambda: not site.pending)
        assert site.undelivered == 0


async def test_an_account_that_is_called_as_a_kind_is_takes_no_alert_along(settings: Settings, hook: Hook) -> None:
    hook.status = 410
    async with delivering(settings) as site:
        site.learn(rule(hook))
        site.forget("jump")
        await site.until(lambda: hook.calls)
        await site.until(lambda: not site.pending)
        assert site.undelivered == 1
