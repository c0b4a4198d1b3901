"""The live stream of one client: what is new in the feeds it watches, sent as fast as it takes it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable

from aiohttp import web

from streams.reader import AsyncReader
from streams.web import sse
from streams.web.errors import RETRY_AFTER_S, Refused
from streams.web.hub import Hub
from streams.web.parameters import Parameters
from streams.web.wanted import Wanted, wanted

MOST_CLIENTS = 500
HEARTBEAT_S = 10.0
TAKES_WITHIN_S = 10.0  # a client that doesn't is dropped; it may come again
_STREAM = {"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}


class Live:
    """Streams to all clients; `wall` is the clock that the age of data is told by, epoch s."""

    def __init__(self, reader: AsyncReader, wall: Callable[[], float] = time.time) -> None:
        self._reader, self._wall = reader, wall
        self.hub = Hub()
        self.clients = 0

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Answer until the client goes, takes nothing, or the dashboard ends."""
        parts = wanted(self._reader, Parameters(request, "scope", "board", "n", "weights", "entity"), self._wall)
        position = sse.position_of(request.headers.get("Last-Event-ID"), self._reader.settings.partitions)
        if self.clients >= MOST_CLIENTS:
            said = f"{MOST_CLIENTS} clients listen already; try again later"
            raise Refused(503, said, headers={"Retry-After": str(RETRY_AFTER_S)})
        self.clients += 1
        try:
            return await self._stream(request, parts, position)
        finally:
            self.clients -= 1

    async def _stream(self, request: web.Request, parts: list[Wanted], position: dict[str, str]) -> web.StreamResponse:
        news = asyncio.Event()
        with contextlib.ExitStack() as stack:
            feeds = [stack.enter_context(self.hub.watching(part.key, part.make, news)) for part in parts]
            views = [part.view(feed, position) for feed, part in zip(feeds, parts, strict=True)]
            response = web.StreamResponse(headers=_STREAM)
            await response.prepare(request)
            loop, chunk = asyncio.get_running_loop(), sse.HELLO
            silent_until_s = loop.time() + HEARTBEAT_S
            with contextlib.suppress(ConnectionError):  # the client went
                while await _sent(request, response, chunk) and not any(feed.is_over for feed in feeds):
                    news.clear()
                    chunk = b"".join([await view.news() for view in views])
                    if chunk:
                        silent_until_s = loop.time() + HEARTBEAT_S
                        continue
                    try:
                        async with asyncio.timeout_at(silent_until_s):
                            await news.wait()
                    except TimeoutError:
                        chunk, silent_until_s = sse.HEARTBEAT, loop.time() + HEARTBEAT_S
            return response


async def _sent(request: web.Request, response: web.StreamResponse, chunk: bytes) -> bool:
    """Send, and return whether the client took it in time; one that didn't is cut off, with what it was to get."""
    if not chunk:
        return True
    try:
        await asyncio.wait_for(response.write(chunk), TAKES_WITHIN_S)
    except TimeoutError:
        if request.transport is not None:
            request.transport.abort()
        return False
    return True
