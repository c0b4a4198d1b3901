"""Networks on loopback for tests: a Jetstream of both versions and HTTP streams, which do what a script says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from aiohttp import WSCloseCode, WSMsgType, web

from streams.sources.bluesky.jetstream import PATH_V2

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Step:
    """What a host does with one connection.

    It answers `status` when that isn't 0; else it sends `messages`, from the cursor on if it `keeps_cursor`, and then closes,
    breaks off, hangs, or stays open. `half` is a message of which only the beginning is sent.
    """

    messages: Sequence[bytes] = ()
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    then: str = "close"  # or "break", "hang", "stay"
    keeps_cursor: bool = False
    pause_s: float = 0.0
    half: bytes = b""
    is_compressed: bool = True


class Network:
    """Takes a step of its script for each connection, the last one for all that follow; remembers what it was asked."""

    def __init__(self, *script: Step) -> None:
        self._script = list(script)
        self.asked: list[web.Request] = []
        self.sent = 0
        self.url = ""

    def step(self, request: web.Request) -> Step:
        """Return what to do with a connection."""
        self.asked.append(request)
        return self._script.pop(0) if len(self._script) > 1 else self._script[0]

    def queries(self, name: str) -> list[list[str]]:
        """Return the values of a parameter, by connection."""
        return [parse_qs(request.query_string).get(name, []) for request in self.asked]

    async def socket(self, request: web.Request) -> web.StreamResponse:
        """Serve a WebSocket."""
        step = self.step(request)
        if step.status:
            return web.Response(status=step.status, headers=step.headers)
        protocols = ("xrpc.v1.json",) if request.path == PATH_V2 else ()
        socket = web.WebSocketResponse(protocols=protocols, compress=step.is_compressed)
        await socket.prepare(request)
        since_us = int(request.query.get("cursor", 0)) if step.keeps_cursor else 0
        for message in step.messages:
            if since_us and time_us(message) < since_us:
                continue
            await socket.send_frame(message, WSMsgType.TEXT)  # bytes as they are, UTF-8 or not
            self.sent += 1
            await asyncio.sleep(step.pause_s)
        if step.then == "close":
            await socket.close(code=WSCloseCode.GOING_AWAY)
        elif step.then == "break":
            if step.half and request.transport is not None:
                request.transport.write(b"\x81\x7e\x0f\xff" + step.half)  # the beginning of a frame of 4,095 bytes
                await asyncio.sleep(0.05)
            if request.transport is not None:
                request.transport.abort()
        elif step.then == "stay":
            async for _ in socket:
                pass
        else:
            await asyncio.sleep(3600)
        return socket

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Serve a stream of bytes."""
        step = self.step(request)
        if step.status:
            return web.Response(status=step.status, headers=step.headers)
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        for message in step.messages:
            for start in range(0, len(message), 7):  # a slow network: pieces end anywhere
                await answer.write(message[start : start + 7])
            self.sent += 1
            await asyncio.sleep(step.pause_s)
        if step.then == "break" and request.transport is not None:
            await answer.write(step.half)
            request.transport.abort()
        elif step.then in ("hang", "stay"):
            await asyncio.sleep(3600)
        return answer


def time_us(message: bytes) -> int:
    """Return the time of a message of version 1, epoch µs; 0 for others."""
    return int(json.loads(message).get("time_us", 0))


@asynccontextmanager
async def served(*routes: tuple[str, str, Handler], ssl: Any = None) -> AsyncIterator[str]:
    """Serve routes of (method, path, handler) on loopback while the block runs; gives `host:port`."""
    app = web.Application()
    for method, path, handler in routes:
        app.router.add_route(method, path, handler)
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=ssl)
    try:
        await site.start()
        host, port = runner.addresses[0][:2]
        yield f"{host}:{port}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def jetstream(*script: Step, ssl: Any = None) -> AsyncIterator[Network]:
    """Serve a Jetstream that speaks both versions."""
    network = Network(*script)
    async with served(("GET", "/subscribe", network.socket), ("GET", PATH_V2, network.socket), ssl=ssl) as address:
        network.url = f"{'wss' if ssl else 'ws'}://{address}"
        yield network
