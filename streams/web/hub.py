"""The feeds that are watched now: begun by the first who watches, ended a while after the last."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Hashable, Iterator

from streams.web.errors import RETRY_AFTER_S, Refused
from streams.web.feeds import Feed

# By the name of their events. A board of 500 places holds up Redis for about 2 ms, twice a second.
MOST_FEEDS = {"board": 48, "score": 500}
LINGER_S = 15.0  # a browser that comes again finds its board still moving
_log = logging.getLogger("cloutstream")


class Hub:
    """Shares feeds among watchers."""

    def __init__(self) -> None:
        self._feeds: dict[Hashable, tuple[Feed, asyncio.Task[None]]] = {}

    @contextlib.contextmanager
    def watching(self, key: Hashable, make: Callable[[], Feed], watcher: asyncio.Event) -> Iterator[Feed]:
        """Give the feed of a key, made and begun if there is none; its news set `watcher`.

        Raises:
            Refused: too many feeds are watched.
        """
        feed = self._feeds[key][0] if key in self._feeds else self._begin(key, make)
        feed.wake_by(watcher)
        try:
            yield feed
        finally:
            feed.let_sleep(watcher)
            if not feed.is_watched:
                asyncio.get_running_loop().call_later(LINGER_S, self._end_unwatched, key, feed)

    def close(self) -> None:
        """End all feeds and send who watches away."""
        for key in list(self._feeds):
            self._end(key)

    def _begin(self, key: Hashable, make: Callable[[], Feed]) -> Feed:
        feed = make()
        alike = [key for key, (held, _) in self._feeds.items() if held.name == feed.name]
        if feed.name in MOST_FEEDS and len(alike) >= MOST_FEEDS[feed.name]:
            self._make_room(alike)
        task = asyncio.get_running_loop().create_task(feed.run())
        self._feeds[key] = feed, task
        task.add_done_callback(lambda done: self._ended(key, done))
        return feed

    def _make_room(self, alike: list[Hashable]) -> None:
        for key in alike:
            if not self._feeds[key][0].is_watched:
                self._end(key)
                return
        said = f"{len(alike)} different ones are watched already; try again later"
        raise Refused(503, said, headers={"Retry-After": str(RETRY_AFTER_S)})

    def _end_unwatched(self, key: Hashable, feed: Feed) -> None:
        if not feed.is_watched and key in self._feeds and self._feeds[key][0] is feed:
            self._end(key)

    def _end(self, key: Hashable) -> None:
        feed, task = self._feeds.pop(key)
        task.cancel()
        feed.end()

    def _ended(self, key: Hashable, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            return
        # A bug: nobody may look at a board that stands still, so all are sent away; they come again.
        _log.error("a feed of the dashboard ended", exc_info=task.exception())
        if key in self._feeds and self._feeds[key][1] is task:
            self._feeds.pop(key)[0].end()
