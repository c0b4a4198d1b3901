"""A Jetstream for benchmarks: made-up messages to whoever subscribes, as fast as they are taken. Prints its URL."""

from __future__ import annotations

import asyncio
import sys

from aiohttp import web

from benchmarks.ingest import made_up


def main(count: int) -> None:
    """Serve until the process is ended."""
    messages = [message.decode() for message in made_up(count, 1)]

    async def subscribe(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        for message in messages:
            await socket.send_str(message)
        await socket.receive()
        return socket

    async def serve() -> None:
        app = web.Application()
        app.router.add_get("/subscribe", subscribe)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        print(f"ws://{host}:{port}", flush=True)
        await asyncio.Event().wait()

    asyncio.run(serve())


if __name__ == "__main__":
    main(int(sys.argv[1]))
