"""The dashboard for tests: as a process of its own, and a listener to its stream."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections import deque
from typing import Any, Self

from aiohttp import ClientResponse, ClientSession

from streams.settings import PREFIX, Settings

WAIT_S = 30.0
LOGS = ("changes", "alerts")  # of which nothing may be missed; the others are states


class Dashboard:
    """One `cloutstream dashboard` process; a context manager that ends it."""

    def __init__(self, settings: Settings, listen: str = "127.0.0.1:0") -> None:
        environ = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "streams", "dashboard", "--listen", listen],
            env=environ | settings.to_environ(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout
        self.said = self._process.stdout.readline()
        assert self.said.startswith("dashboard at http://"), self.stop()
        self.url = self.said.split()[2].rstrip(";")

    @property
    def address(self) -> str:
        """Where it listens, host:port."""
        return self.url.removeprefix("http://")

    def stop(self) -> tuple[int, str]:
        """SIGTERM; return the exit code and what it said to standard error."""
        self._process.send_signal(signal.SIGTERM)
        _, err = self._process.communicate(timeout=WAIT_S)
        return self._process.returncode, err

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()


class Listener:
    """Reads the live stream; `last_id` is what a browser would give back."""

    def __init__(self, answer: ClientResponse) -> None:
        self.answer = answer
        self.last_id: str | None = None
        self._kept: dict[str, deque[str]] = {}

    @classmethod
    async def to(cls, session: ClientSession, url: str, last_id: str | None = None) -> Self:
        """Return one that is connected."""
        headers = {} if last_id is None else {"Last-Event-ID": last_id}
        answer = await session.get(url, headers=headers)
        assert answer.status == 200, await answer.text()
        assert answer.content_type == "text/event-stream"
        return cls(answer)

    async def event(self, name: str) -> Any:
        """Return the data of the next event of a name; states are passed over, changes and alerts are kept for who asks later."""
        if self._kept.get(name):
            return json.loads(self._kept[name].popleft())
        async with asyncio.timeout(WAIT_S):
            while True:
                kind, data = await self._next()
                if kind == name:
                    return json.loads(data)
                if kind in LOGS:
                    self._kept.setdefault(kind, deque()).append(data)

    async def placed(self) -> str:
        """Return the first id that tells a place in every log; each log is placed in its own time."""
        async with asyncio.timeout(WAIT_S):
            while self.last_id is None or not all(log in self.last_id for log in LOGS):
                await self._next()
        return self.last_id

    async def ended(self) -> None:
        """Wait until the server has ended it."""
        async with asyncio.timeout(WAIT_S):
            while await self.answer.content.readline():
                pass

    def close(self) -> None:
        """Hang up."""
        self.answer.close()

    async def _next(self) -> tuple[str, str]:
        kind, data = "", ""
        while line := (await self.answer.content.readline()).decode():
            name, _, value = line.rstrip("\n").partition(": ")
            if name == "id":
                self.last_id = value
            elif name == "event":
                kind = value
            elif name == "data":
                data = value
            elif line == "\n":
                return kind, data
        raise AssertionError("the stream ended")
