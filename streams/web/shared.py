"""Answers that many ask for in the same moment: one question to Redis, sent to all of them."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from aiohttp import web

AT_ONCE = 16  # questions; more wait, so that many askers don't become as many connections to Redis
HOLDS_S = 0.5
MOST = 256  # answers held


class Shared:
    """Answers by path and query, each for a moment.

    Args:
        monotonic: a clock that never goes back, seconds.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._answers: OrderedDict[str, tuple[float, asyncio.Task[bytes]]] = OrderedDict()

    def of(self, answer: Callable[[web.Request], Awaitable[bytes]]) -> Callable[[web.Request], Awaitable[web.Response]]:
        """Return a handler that shares what `answer` returns, JSON; an error is shared too."""

        async def handler(request: web.Request) -> web.Response:
            # Shielded: who asked first may go away before the others have their answer.
            body = await asyncio.shield(self._task(request, answer))
            return web.Response(body=body, content_type="application/json", headers={"Cache-Control": "no-store"})

        return handler

    def _task(self, request: web.Request, answer: Callable[[web.Request], Awaitable[bytes]]) -> asyncio.Task[bytes]:
        now_s = self._monotonic()
        asked = request.path_qs
        begun_s, task = self._answers.get(asked, (float("-inf"), None))
        if task is None or (task.done() and now_s - begun_s > HOLDS_S):
            task = asyncio.create_task(self._in_turn(request, answer))
            task.add_done_callback(_retrieved)
            self._answers[asked] = now_s, task
            if len(self._answers) > MOST:
                self._answers.popitem(last=False)
        return task

    async def _in_turn(self, request: web.Request, answer: Callable[[web.Request], Awaitable[bytes]]) -> bytes:
        async with self._turns:
            return await answer(request)


def _retrieved(task: asyncio.Task[bytes]) -> None:
    """Look at the error of an answer that nobody waits for any more, or asyncio complains."""
    if not task.cancelled():
        task.exception()
