"""Ends a worker that stands still, from a thread of its own: what stands still can't end itself.

Time is counted in the watchdog's own ticks, not by a clock: a machine that was paused, or a process that was stopped, has lost no
tick, and gets its time once it goes on.
"""

from __future__ import annotations

import asyncio
import math
import sys
import threading
from collections.abc import Callable, Hashable, Mapping

from streams.errors import Stalled
from streams.fatal import fatal

TICK_S = 1.0
LOOP = "its event loop to turn"
# A supervisor asks once and then kills: usually after 10 s.
STOP_WITHIN_S = 9.0


class Watchdog(threading.Thread):
    """Watches an event loop, and what a worker that runs in it waits for.

    Args:
        loop: asked to run a callback in each tick.
        waiting_for: called in the loop: what the worker waits for, each with a token that changes when it gets anywhere.
        stall_timeout_s: how long a token may stay the same.
        tick_s: time between two looks.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        waiting_for: Callable[[], Mapping[str, Hashable]],
        stall_timeout_s: float,
        tick_s: float = TICK_S,
    ) -> None:
        super().__init__(name="watchdog", daemon=True)
        self._loop, self._waiting_for = loop, waiting_for
        self._tick_s = min(tick_s, stall_timeout_s / 5)
        self._stall_timeout_s = stall_timeout_s
        self._watched = threading.main_thread().ident
        self._ended = threading.Event()
        self._turns = 0  # of the loop, that it was asked for
        self._waits: Mapping[str, Hashable] = {}
        self._still: dict[str, tuple[Hashable, int]] = {}  # token, and for how many ticks it is that
        self._ticks_to_stop: int | None = None

    def run(self) -> None:
        """Look at every tick, until `end`."""
        while not self._ended.wait(self._tick_s):
            self._look()
            try:
                self._loop.call_soon_threadsafe(self._turn)
            except RuntimeError:  # closed: what is left of the process is a matter of `stop_soon`
                self._waits = {}

    def end(self) -> None:
        """Stop watching."""
        self._ended.set()

    def stop_soon(self) -> None:
        """From now on the process has `STOP_WITHIN_S` to end."""
        if self._ticks_to_stop is None:
            self._ticks_to_stop = math.ceil(STOP_WITHIN_S / self._tick_s)

    def loop_still_s(self) -> float:
        """Return for how long the event loop hasn't turned, s; 0 when it does."""
        return max(0, self._still.get(LOOP, (0, 0))[1] - 1) * self._tick_s

    def _turn(self) -> None:
        self._turns += 1
        waits: Mapping[str, Hashable] = {}
        try:
            waits = self._waiting_for()
        finally:
            self._waits = waits  # none rather than those of some moment before

    def _look(self) -> None:
        waits = {LOOP: self._turns, **self._waits}
        if self._ticks_to_stop is not None:
            # Whatever stands still now, there is one deadline for all of it.
            self._ticks_to_stop -= 1
            if self._ticks_to_stop <= 0:
                self._die(f"it was told to stop and hasn't ended after {STOP_WITHIN_S:g} s")
            return
        for what in [what for what in self._still if what not in waits]:
            del self._still[what]
        for what, token in waits.items():
            held = self._still.get(what)
            ticks = held[1] + 1 if held is not None and held[0] == token else 0
            self._still[what] = (token, ticks)
            if ticks * self._tick_s >= self._stall_timeout_s:
                self._die(f"it has waited {self._stall_timeout_s:g} s for {what}, without any progress")

    def _die(self, what: str) -> None:
        # Where the loop's thread is, as far as Python knows: the one thing that can't be found out afterwards.
        frame = sys._current_frames().get(self._watched or 0)
        where = f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_name}" if frame else "nowhere"
        fatal("the watchdog ends this worker", Stalled(f"{what}; its main thread is at {where}"))
