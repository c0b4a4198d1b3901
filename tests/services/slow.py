"""A way to a server that takes its time: every byte arrives `delay_s` later, in both directions half of it."""

from __future__ import annotations

import asyncio
import contextlib
import threading


class SlowPath:
    """Passes connections on to a loopback port, from a thread of its own; `delay_s` may be changed at any time."""

    def __init__(self, to_port: int, delay_s: float = 0.0) -> None:
        self._to_port = to_port
        self.delay_s = delay_s
        self.port = 0
        self._is_open = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._is_open.wait(10)

    @property
    def url(self) -> str:
        """The Redis URL of the way."""
        return f"redis://127.0.0.1:{self.port}/0"

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._accept, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._is_open.set()
        self._loop.run_forever()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        server.close()
        self._loop.run_until_complete(asyncio.sleep(0.05))
        self._loop.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.CancelledError):
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._to_port)
            await asyncio.gather(self._pass(reader, far_writer), self._pass(far_reader, writer))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass bytes on, each when its time has come: what follows doesn't wait for it."""
        due: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def deliver() -> None:
            while True:
                at_s, data = await due.get()
                await asyncio.sleep(max(0.0, at_s - self._loop.time()))
                if not data:
                    break
                writer.write(data)
                await writer.drain()

        delivering = asyncio.ensure_future(deliver())
        try:
            while data := await reader.read(1 << 16):
                due.put_nowait((self._loop.time() + self.delay_s / 2, data))
            due.put_nowait((0.0, b""))
            await delivering
        finally:
            delivering.cancel()
            writer.close()

    def close(self) -> None:
        """Close all connections."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
