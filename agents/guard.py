"""Asking again for what got lost between the broker and an agent.

Faust drops ranges around a rebalance: it clears queues, and abandons deliveries. A later range shows the gap; a partition that is
quiet afterwards shows none. So here each owned partition is watched: where records are known to be behind its next offset and it
doesn't move, it is fetched from there again. Whoever takes a range skips what it has, so asking once too often costs a fetch. On
a machine so busy that fetches take longer than the wait it would cost every one, so each wait in vain doubles the next.
"""

from __future__ import annotations

import asyncio
import logging

from faust.types import TP

from agents.host import Host
from agents.lag import next_offsets
from agents.publisher import Publisher

_log = logging.getLogger("cloutstream")
CHECK_S = 0.5
STILL_S, LONGEST_S = 2.0, 60.0


class Guard:
    """Watches the owned partitions of all topics that agents read."""

    def __init__(self, app: Host, publisher: Publisher) -> None:
        self._app, self._publisher = app, publisher
        self._still: dict[TP, tuple[int, float, float]] = {}  # next offset, since when it is that, and how long to wait, s

    async def run(self) -> None:
        """Watch for ever."""
        while True:
            await asyncio.sleep(CHECK_S)
            self.check(self._app.clock.monotonic())

    def check(self, now_s: float) -> None:
        """Look at every owned partition once; `now_s` is a steady clock."""
        consumer = self._app.consumer
        expected = dict(next_offsets(self._app, self._publisher))
        for tp in [tp for tp in self._still if tp not in expected]:
            del self._still[tp]
        for tp, offset in expected.items():
            held = self._still.get(tp)
            if held is None or held[0] != offset:
                self._still[tp] = (offset, now_s, STILL_S)
            elif now_s - held[1] >= held[2] and consumer.known_end(tp) > offset:
                _log.info("%s[%d]@%d: more is there but nothing came; fetching from there again", tp.topic, tp.partition, offset)
                self._still[tp] = (offset, now_s, min(2 * held[2], LONGEST_S))
                consumer.resume_partitions({tp})
                consumer.rewind(tp, offset)


def add_guard(app: Host, publisher: Publisher) -> None:
    """Add the guard to an app."""
    app.endless("watching for what got lost", Guard(app, publisher).run)
