"""Virtual time, and event loops in it that are stepped one callback at a time."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import random
from collections import deque
from collections.abc import Callable
from typing import Any

EPOCH_S = 1.7e9


class Ended(BaseException):
    """A worker's process ended; no code of it runs any more."""


class Violation(AssertionError):
    """Something that must hold doesn't."""


class _Handle:
    __slots__ = ("_args", "_callback", "is_cancelled", "when_s")

    def __init__(self, callback: Callable[..., object], args: tuple[Any, ...], when_s: float = 0.0) -> None:
        self._callback, self._args, self.when_s, self.is_cancelled = callback, args, when_s, False

    def run(self) -> None:
        if not self.is_cancelled:
            self._callback(*self._args)

    def cancel(self) -> None:
        self.is_cancelled = True

    def cancelled(self) -> bool:
        return self.is_cancelled

    def when(self) -> float:
        return self.when_s


class SteppedLoop(asyncio.AbstractEventLoop):
    """The event loop of one worker; it never runs by itself."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.ready: deque[_Handle] = deque()
        self.timers: list[tuple[float, int, _Handle]] = []
        self.tasks: list[asyncio.Task[Any]] = []
        self._count = 0

    def time(self) -> float:
        return self._world.now_s

    def get_debug(self) -> bool:
        return False

    def call_soon(self, callback: Any, *args: Any, context: Any = None) -> Any:
        handle = _Handle(callback, args)
        self.ready.append(handle)
        return handle

    def call_later(self, delay: float, callback: Any, *args: Any, context: Any = None) -> Any:
        return self.call_at(self._world.now_s + delay, callback, *args)

    def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> Any:
        handle = _Handle(callback, args, when)
        self._count += 1
        heapq.heappush(self.timers, (when, self._count, handle))
        return handle

    def create_future(self) -> Any:
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, *, name: Any = None, context: Any = None) -> Any:
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=self)
        self.tasks.append(task)
        if len(self.tasks) > 200:
            self.tasks = [task for task in self.tasks if not task.done()]
        return task

    def call_exception_handler(self, context: Any) -> None:
        """Say nothing: what a worker may not survive ends it where it happens."""

    def due(self) -> bool:
        """Return whether there is something to run now; timers that are over become ready."""
        timers, now_s = self.timers, self._world.now_s
        while timers and timers[0][0] <= now_s:
            handle = heapq.heappop(timers)[2]
            if not handle.is_cancelled:
                self.ready.append(handle)
        return bool(self.ready)

    def next_s(self) -> float:
        """Return when the next timer is over."""
        while self.timers and self.timers[0][2].is_cancelled:
            heapq.heappop(self.timers)
        return self.timers[0][0] if self.timers else float("inf")

    def close_tasks(self) -> None:
        """Let go of what never ended, without a word."""
        for task in self.tasks:
            if not task.done():
                task._log_destroy_pending = False  # type: ignore[attr-defined]
                with contextlib.suppress(RuntimeError, Ended):  # it waits for something while it ends
                    task.get_coro().close()  # type: ignore[union-attr]
        self.tasks.clear()
        self.ready.clear()
        self.timers.clear()


class World:
    """Time, chance, what is to happen outside of workers, and what happened.

    Args:
        seed: decides everything.
        step_s: virtual time that one callback takes.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.rng = random.Random(seed)
        self.now_s = 0.0
        self.step_s = 0.0
        self.steps = 0
        self.workers: list[Any] = []
        self.running: Any = None  # the worker whose callback runs
        self.trace: list[tuple[float, str, tuple[Any, ...]]] = []
        self._events: list[tuple[float, int, Callable[[], object]]] = []
        self._count = 0
        self._loop: SteppedLoop | None = None

    def time(self) -> float:
        """Return the time of day, epoch s."""
        return EPOCH_S + self.now_s

    def monotonic(self) -> float:
        """Return the time since the beginning, s."""
        return self.now_s

    def note(self, what: str, *args: Any) -> None:
        """Remember what happened; formatted only when it is shown."""
        self.trace.append((self.now_s, what, args))

    def at(self, when_s: float, event: Callable[[], object]) -> None:
        """Have something happen outside of all workers."""
        self._count += 1
        heapq.heappush(self._events, (when_s, self._count, event))

    def after(self, delay_s: float, event: Callable[[], object]) -> None:
        """Have something happen later."""
        self.at(self.now_s + delay_s, event)

    def chance(self, probability: float) -> bool:
        """Return True so often."""
        return self.rng.random() < probability

    def run(self, until_s: float, is_done: Callable[[], bool] | None = None) -> bool:
        """Go on until a time, or until it is done; return whether it is."""
        events = self._events
        asked_s = self.now_s
        while self.now_s < until_s:
            if events and events[0][0] <= self.now_s:
                heapq.heappop(events)[2]()
                continue
            if is_done is not None and self.now_s >= asked_s:
                if is_done():
                    return True
                asked_s = self.now_s + 0.05
            candidates = [worker for worker in self.workers if not worker.is_paused and worker.loop.due()]
            if candidates:
                worker = candidates[0] if len(candidates) == 1 else candidates[int(self.rng.random() * len(candidates))]
                self._step(worker)
                continue
            times = [worker.loop.next_s() for worker in self.workers if not worker.is_paused]
            if events:
                times.append(events[0][0])
            self.now_s = max(self.now_s, min(times, default=until_s))
        return False

    def _step(self, worker: Any) -> None:
        loop = worker.loop
        if self._loop is not loop:
            self._loop = loop
            asyncio._set_running_loop(loop)
        self.running = worker
        self.steps += 1
        self.now_s += self.step_s
        loop.ready.popleft().run()
        worker.steps += 1
        if worker.steps == worker.dies_at_step and worker.is_alive:
            worker.die("crashes at step %d", worker.steps)

    def close(self) -> None:
        """No loop runs any more."""
        asyncio._set_running_loop(None)
        self._loop = None
