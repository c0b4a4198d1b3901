"""A worker's HTTP endpoint: is it alive, can it work, and its metrics.

It runs in a thread with an event loop of its own, so that it can still say that the worker's doesn't turn. The worker's state is
read on the worker's loop, where nothing changes meanwhile.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import TypeVar

from aiohttp import web
from prometheus_client.core import Metric

from agents.health import Conditions
from agents.watchdog import Watchdog
from streams.listening import Scraped, asking_for_token

ALIVE_S = 5.0  # a heavy step takes a tenth of a second
ANSWER_WITHIN_S = 5.0
T = TypeVar("T")


class Operations(threading.Thread):
    """Answers /healthz, /readyz and /metrics at a listening socket.

    Args:
        listening: is closed at the end.
        loop: the worker's; the two functions are called there.
        conditions: how the worker is.
        metrics: what a scrape reads, except for the process's own.
        watchdog: knows whether the loop turns.
        token: asked for by all but /healthz; empty: by none.
    """

    def __init__(
        self,
        listening: socket.socket,
        loop: asyncio.AbstractEventLoop,
        conditions: Callable[[], Conditions],
        metrics: Callable[[], Iterable[Metric]],
        watchdog: Watchdog,
        token: str,
    ) -> None:
        super().__init__(name="operations", daemon=True)
        self._listening, self._loop, self._watchdog = listening, loop, watchdog
        self._conditions, self._metrics = conditions, metrics
        self._guarded = asking_for_token(token)
        self._scraped = Scraped()

    def run(self) -> None:
        """Answer until the process ends."""
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        app = web.Application()
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._guarded(self._readyz))
        app.router.add_get("/metrics", self._guarded(self._metrics_text))
        runner = web.AppRunner(app, access_log=None, handle_signals=False)
        await runner.setup()
        await web.SockSite(runner, self._listening).start()
        await asyncio.Event().wait()

    async def _healthz(self, _request: web.Request) -> web.Response:
        still_s = self._watchdog.loop_still_s()
        if still_s >= ALIVE_S:
            return web.Response(status=503, text=f"the event loop hasn't turned for {still_s:.0f} s\n")
        return web.Response(text="alive\n")

    async def _readyz(self, _request: web.Request) -> web.Response:
        try:
            now = await self._on_loop(self._conditions)
        except TimeoutError:
            return web.json_response({"status": "not ready", "missing": ["turning"]}, status=503)
        status = "not ready" if now.missing else "ready" if now.redis == "reachable" else "degraded"
        return web.json_response({"status": status, "missing": now.missing, **asdict(now)}, status=503 if now.missing else 200)

    async def _metrics_text(self, request: web.Request) -> web.Response:
        try:
            metrics = await self._on_loop(self._metrics)
        except TimeoutError:
            return web.Response(status=503, text="the event loop doesn't answer\n")
        return self._scraped.response(request, metrics)

    async def _on_loop(self, read: Callable[[], T]) -> T:
        """Return what `read` returns in the worker's loop.

        Raises:
            TimeoutError: the loop didn't get to it within `ANSWER_WITHIN_S`.
        """

        async def run() -> T:
            return read()

        try:
            answer = asyncio.run_coroutine_threadsafe(run(), self._loop)
        except RuntimeError as e:  # closed: the worker is about to end
            raise TimeoutError from e
        return await asyncio.wait_for(asyncio.wrap_future(answer), ANSWER_WITHIN_S)
