"""How far one client is in a feed, and the events that it hasn't got."""

from __future__ import annotations

from abc import ABC, abstractmethod

from streams.web import sse
from streams.web.feeds import State
from streams.web.logs import Encoded, Log, Position

PER_EVENT = 50  # entries; nobody reads more in half a second


class View(ABC):
    """How far one client is in a feed."""

    @abstractmethod
    async def news(self) -> bytes:
        """Return the events that the client hasn't got; it counts as having them from now on."""


class StateView(View):
    """The newest state, if it is another than the last."""

    def __init__(self, feed: State) -> None:
        self._feed, self._version = feed, 0

    async def news(self) -> bytes:
        """See `View.news`."""
        if self._version == self._feed.version:
            return b""
        self._version = self._feed.version
        return sse.event(self._feed.name, self._feed.data)


class LogView(View):
    """What came since the client did, or since the position that it came back with.

    Args:
        feed: the log.
        entity: only entries about it; None for all.
        told: where the client is in all its logs; grows as it is told more.
    """

    def __init__(self, feed: Log, entity: str | None, told: Position) -> None:
        self._feed, self._entity, self._told = feed, entity, told
        self._comes_back_from = feed.part_of(told)
        self._is_placed = False
        self._end = feed.came

    async def news(self) -> bytes:
        """See `View.news`."""
        if self._feed.position is None:
            return b""
        if self._is_placed:
            return self._since()
        if self._comes_back_from:
            missed = await self._feed.missed(self._comes_back_from)
            if missed is None:  # Redis is away; asked again with the next news
                return b""
            self._told.update(missed.position)
            told, self._end = self._event(missed.entries, missed.count), missed.end
        else:
            told = b""
            self._told.update(self._feed.position)
        self._is_placed = True
        return (told + self._since()) or sse.place(self._told)

    def _since(self) -> bytes:
        events = list[bytes]()
        for batch in self._feed.since(self._end):
            self._told.update(batch.position)
            events.append(self._event(batch.entries, batch.end - self._end))
            self._end = batch.end
        return b"".join(events)

    def _event(self, entries: list[Encoded], count: int) -> bytes:
        """Return the newest of `count` entries, of which those in `entries` are still held."""
        matching = [text for about, text in entries if self._entity in (None, about)]
        sent = matching[-PER_EVENT:]
        skipped = count - len(entries) + len(matching) - len(sent)
        if not sent and not skipped:
            return b""
        data = b'{"skipped":%d,"%b":[%b]}' % (skipped, self._feed.name.encode(), b",".join(sent))
        return sse.event(self._feed.name, data, self._told)
