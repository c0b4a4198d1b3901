"""What was fetched of the input and not yet taken: collected over partitions, and cut into rounds."""

from __future__ import annotations

import asyncio
import logging

from faust.types import TP

from agents.host import Host
from agents.turns import PASSES
from streams.kafka.range import Range

_log = logging.getLogger("cloutstream")
# A round costs a sixth less per event than one of 4,096, and its 60 ms are short against the tick of a backlog; without one no
# fetch brings as many.
ROUND_EVENTS = 16_384
# A record this far ahead has its time from a producer, or a clock is wrong: waiting for that time would stop its partition.
AHEAD_S = 60.0


class Fetched:
    """Ranges that wait to be taken, those of one partition in order."""

    def __init__(self, app: Host) -> None:
        self._app = app
        self._waiting: list[Range] = []
        self._has_room = asyncio.Event()
        self.lag_messages: dict[TP, int] = {}
        self._is_ahead_told = False

    async def put(self, content: Range) -> None:
        """Have a range taken soon; waits while as much as two rounds wait."""
        self._waiting.append(content)
        self._app.has_work.set()
        while sum(map(len, self._waiting)) > 2 * ROUND_EVENTS:
            self._has_room.clear()
            await self._has_room.wait()

    def forget(self) -> None:
        """Let go of what waits: its partitions may become another worker's, or are read again."""
        self._waiting.clear()
        self._has_room.set()

    async def wait(self) -> None:
        """Wait until something may be there, and for all of the same fetch.

        Ranges are delivered one by one, a few passes of the loop each.
        """
        await self._app.has_work.wait()
        self._app.has_work.clear()
        held = -1
        while len(self._waiting) > held:
            held = len(self._waiting)
            for _ in range(PASSES):
                await asyncio.sleep(0)

    def round(self) -> list[Range]:
        """Return the next round's ranges of owned partitions, cut where it is full; what was taken before is forgotten.

        Where something before a range is missing, the partition is fetched again from there. What is newer than what is known of
        the control topic waits: it may count for something that isn't known yet.
        """
        batch: list[Range] = []
        positions: dict[TP, int] = {}
        room = ROUND_EVENTS
        kept: list[Range] = []
        held: set[TP] = set()
        until_ms = self._app.control.takes_until_ms
        ahead_ms = (self._app.clock.time() + AHEAD_S) * 1000
        for content in self._waiting:
            tp = TP(content.topic, content.partition)
            if tp.partition not in self._app.owned:
                # Between two assignments it may yet be owned; after that it is another worker's.
                kept += [] if self._app.owned else [content]
                continue
            if not room or tp in held:
                kept.append(content)
                continue
            position = positions.get(tp, self._position(tp))
            if content.start > position:
                self._app.consumer.rewind(tp, position)
                continue
            self.lag_messages[tp] = max(0, (self._app.consumer.highwater(tp) or 0) - content.offsets[-1] - 1)
            first = next((i for i, offset in enumerate(content.offsets) if offset >= position), len(content))
            last = min(first + room, len(content))
            known = _known(content.timestamps_ms, first, last, until_ms)
            if known < last and content.timestamps_ms[known] > ahead_ms and self._app.control.state.is_read:
                self._tell_ahead(tp, content.timestamps_ms[known])
            elif known < last:
                last = known
                held.add(tp)
            if last < len(content):
                kept.append(content.part(last, len(content)))
            if first < last:
                batch.append(content.part(first, last))
                positions[tp] = content.offsets[last - 1] + 1
                room -= last - first
        self._waiting = kept
        self._app.control.is_waited_for = bool(held)
        self._has_room.set()
        return batch

    def _tell_ahead(self, tp: TP, timestamp_ms: int) -> None:
        if not self._is_ahead_told:
            self._is_ahead_told = True
            _log.error(
                "%s[%d] has a record with the time %d ms, more than %g s ahead of this machine's; expected the broker's own: set "
                "message.timestamp.type=LogAppendTime, and clocks right. Which campaigns it counts for isn't certain",
                tp.topic, tp.partition, timestamp_ms, AHEAD_S,
            )  # fmt: skip

    def _position(self, tp: TP) -> int:
        return self._app.actor_rows.inputs(tp.partition).source(tp.topic).position


def _known(timestamps_ms: list[int], first: int, last: int, until_ms: float) -> int:
    """Return where the first of records first..last-1 is that the broker took after a time; `last` where none is."""
    if first >= last or max(timestamps_ms[first:last]) <= until_ms:
        return last
    return next(i for i in range(first, last) if timestamps_ms[i] > until_ms)
