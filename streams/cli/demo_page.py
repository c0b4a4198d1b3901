"""The live page of the demo: the dashboard on a thread of its own, at a free port of this machine."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

from streams.settings import Settings

ADDRESS = "127.0.0.1:0"


@contextmanager
def page_served(settings: Settings, listening: socket.socket) -> Iterator[Future[None]]:
    """Answer at a listening socket until the block ends; what is yielded is done when serving has failed."""
    ended = threading.Event()
    with ThreadPoolExecutor(1, thread_name_prefix="page") as threads:
        running = threads.submit(lambda: asyncio.run(_serve(settings, listening, ended)))
        try:
            yield running
        finally:
            ended.set()


async def _serve(settings: Settings, listening: socket.socket, ended: threading.Event) -> None:
    from streams.reader import AsyncReader
    from streams.web.server import serving

    async with await AsyncReader.connect(settings) as reader, serving(settings, reader, listening):
        # A thread that waits: the event is set by another thread, where no loop runs.
        await asyncio.to_thread(ended.wait)
