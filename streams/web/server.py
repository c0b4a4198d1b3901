"""The dashboard: its routes, and the process that answers them until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable

from aiohttp import web

from streams.reader import AsyncReader
from streams.settings import Settings
from streams.web import security
from streams.web.api import PREFIX, Api
from streams.web.errors import errors_as_json
from streams.web.live import Live
from streams.web.static import Static
from streams.web.token import LONGEST_FORM_BYTES, TokenCheck

# `Last-Event-ID` has the position in the changes of every partition.
LONGEST_HEADER_BYTES = 65_536
STOPS_WITHIN_S = 5.0


def application(settings: Settings, reader: AsyncReader, wall: Callable[[], float] = time.time) -> web.Application:
    """Return what answers requests.

    Args:
        settings: the address, token and host names it is served under.
        reader: is left open at the end.
        wall: the clock that ages are told by and logins end by, epoch s.
    """
    static, live = Static(), Live(reader, wall)
    middlewares = [errors_as_json, security.Gate(settings).check]
    app = web.Application(client_max_size=LONGEST_FORM_BYTES)
    app.add_routes(
        [
            web.get("/", static.page),
            web.get("/static/{path:.+}", static.file),
            *Api(reader, wall).routes(),
            web.get(f"{PREFIX}/live", live.stream, allow_head=False),
            web.get(f"{PREFIX}/openapi.json", static.openapi),
        ]
    )
    if settings.dashboard_token:
        token = TokenCheck(settings.dashboard_token.reveal(), static, wall)
        middlewares.append(token.check)
        app.add_routes([web.get("/login", token.form), web.post("/login", token.login)])
    app.middlewares.extend(middlewares)
    app.on_response_prepare.append(security.add_headers)

    async def send_away(_app: web.Application) -> None:
        live.hub.close()

    app.on_shutdown.append(send_away)  # before connections are waited for: these streams never end by themselves
    return app


@contextlib.asynccontextmanager
async def serving(settings: Settings, reader: AsyncReader, listening: socket.socket) -> AsyncIterator[None]:
    """Answer at a listening socket, which is closed at the end."""
    runner = web.AppRunner(
        application(settings, reader),
        access_log=None,
        handle_signals=False,
        handler_cancellation=True,  # a client that went is noticed at once
        max_field_size=LONGEST_HEADER_BYTES,
        shutdown_timeout=STOPS_WITHIN_S,
    )
    await runner.setup()
    try:
        await web.SockSite(runner, listening).start()
        yield
    finally:
        await runner.cleanup()


async def serve(settings: Settings, listening: socket.socket, ready: Callable[[], None]) -> None:
    """Answer until SIGTERM or Ctrl-C; `ready` is called when the first request can come.

    Raises:
        ServiceUnavailable: Redis can't be reached now. Once begun, it may go away and come back.
        ConfigurationError: Redis refused the user or password.
    """
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with await AsyncReader.connect(settings) as reader, serving(settings, reader, listening):
        ready()
        await stopped.wait()
