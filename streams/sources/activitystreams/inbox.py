"""An inbox over HTTP: others deliver activities to it, and are told that one is taken when Kafka has what came of it.

It checks no signatures and belongs behind what does, such as the server whose inbox it is: on loopback, or with a token.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress

from aiohttp import web

from streams.errors import ConfigurationError
from streams.listening import asking_for_token, listen, url_of
from streams.plaintext import hosts_of, is_loopback
from streams.secret import Secret
from streams.sources.activitystreams.mapping import NETWORK, Mapping, Received
from streams.sources.secret import NO_TOKEN
from streams.sources.source import Mapped, Position, Source

MOST_WAITING = 1_000  # requests; more are asked to come again
MOST_BYTES = 1 << 20
PATH = "/inbox"


class Inbox(Source):
    """Activities that are delivered to `listening`, `host:port`."""

    name = NETWORK

    def __init__(self, listening: str, token: Secret = NO_TOKEN) -> None:
        """Open nothing yet.

        Raises:
            ConfigurationError: it would listen beyond loopback without a token.
        """
        if not is_loopback(hosts_of(listening)[0]) and not token:
            raise ConfigurationError(
                f"--listen is {listening!r} without a token: anybody could make up activities; expected a loopback address such "
                "as 127.0.0.1:8090, or a token in ACTIVITYSTREAMS_TOKEN or --token-file"
            )
        self._listening, self._token = listening, token
        self._mapping = Mapping()
        self._waiting: list[tuple[Received, asyncio.Future[None]]] = []
        self._taken: list[asyncio.Future[None]] = []
        self._something = asyncio.Event()
        self._refused = 0

    def map(self, message: Received) -> Mapped:
        """Return what an activity is."""
        return self._mapping.map(message)

    def raw(self, message: Received) -> bytes:
        """Return the activity."""
        return message.body

    def durable(self) -> None:
        """Answer those whose activities are in Kafka."""
        for future in self._taken:
            if not future.done():
                future.set_result(None)
        self._taken.clear()

    def counters(self) -> dict[str, float]:
        """Return what was counted about requests."""
        return {"turned_away": self._refused}

    async def batches(self, position: Position | None) -> AsyncGenerator[Sequence[Received], None]:
        """Yield activities as they are delivered.

        Raises:
            ConfigurationError: nothing can listen there.
        """
        app = web.Application(client_max_size=MOST_BYTES)
        app.router.add_post(PATH, asking_for_token(self._token.reveal())(self._take))
        runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
        await runner.setup()
        try:
            listening = listen("--listen", self._listening)
            await web.SockSite(runner, listening).start()
            self.tell(f"inbox at {url_of(listening)}{PATH}")
            while True:
                await self._something.wait()
                self._something.clear()
                waiting, self._waiting = self._waiting, []
                self._taken += [future for _, future in waiting]
                if waiting:
                    yield [received for received, _ in waiting]
        finally:
            for _, future in self._waiting:
                future.cancel()
            await runner.cleanup()

    async def _take(self, request: web.Request) -> web.StreamResponse:
        if len(self._waiting) + len(self._taken) >= MOST_WAITING:
            self._refused += 1
            return web.Response(status=503, headers={"Retry-After": "5"}, text="too much waits for Kafka; come again\n")
        body = await request.read()
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((Received(body, time.time()), future))
        self._something.set()
        with suppress(asyncio.CancelledError):
            await future
            return web.Response(status=202)
        return web.Response(status=503, text="it ends; come again\n")
