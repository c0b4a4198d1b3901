"""What is followed: a feed is read once, however many watch it, and holds what they are sent. Nothing is held for one of them.

A `State` is the newest value of something: who is slow skips to it. A `Log` (in `logs`) is what came last.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Any

import orjson

from streams.errors import ConfigurationError, ServiceUnavailable

AWAY_PAUSE_S = 1.0  # between looks while Redis is away


class Feed(ABC):
    """Reads one thing for ever and wakes who watches it; `name` is that of its events."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_over = False
        self._watchers: set[asyncio.Event] = set()

    @abstractmethod
    async def run(self) -> None:
        """Read until cancelled."""

    def wake_by(self, watcher: asyncio.Event) -> None:
        """Set this event whenever there is news."""
        self._watchers.add(watcher)

    def let_sleep(self, watcher: asyncio.Event) -> None:
        """Don't any more."""
        self._watchers.discard(watcher)

    @property
    def is_watched(self) -> bool:
        """Whether anybody watches."""
        return bool(self._watchers)

    def end(self) -> None:
        """Send everybody away: it isn't read any more."""
        self.is_over = True
        self._wake()

    def _wake(self) -> None:
        for watcher in self._watchers:
            watcher.set()


class State(Feed):
    """The newest value of something.

    Args:
        name: of the events.
        read: returns the value as JSON can say it.
        every_s: seconds between looks.
        if_away: the value while Redis is away; None leaves the last one.
    """

    def __init__(self, name: str, read: Callable[[], Awaitable[Any]], every_s: float, if_away: Any = None) -> None:
        super().__init__(name)
        self._read, self._every_s, self._if_away = read, every_s, if_away
        self.version = 0
        self.data = b""

    async def run(self) -> None:
        """Look for a newer value again and again; one that equals the last is no news."""
        while True:
            pause_s = self._every_s
            try:
                self._hold(await self._read())
            except (ServiceUnavailable, ConfigurationError):
                pause_s = AWAY_PAUSE_S
                if self._if_away is not None:
                    self._hold(self._if_away)
            await asyncio.sleep(pause_s)

    def _hold(self, value: Any) -> None:
        data = orjson.dumps(value)
        if data != self.data:
            self.data, self.version = data, self.version + 1
            self._wake()
