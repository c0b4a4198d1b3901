"""The reader for asyncio: the same plans, awaited."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Collection, Iterable
from typing import Any, Self, TypeVar

import redis.asyncio as aredis
from redis.exceptions import NoScriptError

from streams.control.campaigns import Campaign as Definition
from streams.errors import ServiceUnavailable
from streams.reader.campaigns import Campaign
from streams.reader.changes import ScoreChange
from streams.reader.cursor import Start
from streams.reader.feed import AsyncFeed
from streams.reader.plan import Command, Plan, script
from streams.reader.queries import Queries
from streams.reader.records import Page, Point, Rank, Score, Stats
from streams.reader.weights import Weights
from streams.redis.client import connect_async, reaching_redis, require_bytes
from streams.settings import Settings

T = TypeVar("T")


class AsyncReader:
    """`Reader` for asyncio: the same methods, awaited; `follow` and `follow_alerts` return feeds for `async for`.

    Args:
        settings: of the deployment: half-lives, prefix, partitions.
        client: left open by `close` when it is given here; its replies are bytes.
        wall: the clock used when readers go by the wall clock, epoch s.
    """

    def __init__(self, settings: Settings, client: aredis.Redis, wall: Callable[[], float] = time.time) -> None:
        require_bytes(client)
        self.settings = settings
        self._client = client
        self._owns_client = False
        self._queries = Queries(settings, wall)

    @classmethod
    async def connect(cls, settings: Settings | None = None) -> Self:
        """See `Reader.connect`."""
        settings = settings or Settings.from_environ(os.environ)
        reader = cls(settings, await connect_async(settings))
        reader._owns_client = True
        return reader

    async def close(self) -> None:
        """Disconnect."""
        if self._owns_client:
            await self._client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def now(self) -> float:
        """See `Reader.now`."""
        return await self._run(self._queries.now())

    async def is_complete(self) -> bool:
        """See `Reader.is_complete`."""
        return await self._run(self._queries.is_complete())

    async def size(self, scope: str = "all", board: str = "standing") -> int:
        """See `Reader.size`."""
        return await self._run(self._queries.size(scope, board))

    async def top(
        self, scope: str = "all", board: str = "standing", n: int = 10, offset: int = 0, weights: Weights | None = None
    ) -> Page:
        """See `Reader.top`."""
        return await self._run(self._queries.top(scope, board, n, offset, weights))

    async def around(self, account: str, n: int = 5, scope: str = "all", board: str = "standing") -> Page:
        """See `Reader.around`."""
        return await self._run(self._queries.around(account, n, scope, board))

    async def rank(self, account: str, scope: str = "all", board: str = "standing") -> Rank | None:
        """See `Reader.rank`."""
        return await self._run(self._queries.rank(account, scope, board))

    async def score(self, entity: str, weights: Weights | None = None) -> Score | None:
        """See `Reader.score`."""
        return await self._run(self._queries.score(entity, weights))

    async def outranks(self, a: str, b: str) -> float | None:
        """See `Reader.outranks`."""
        return await self._run(self._queries.outranks(a, b))

    async def why(self, entity: str, n: int | None = 10) -> list[dict[str, Any]]:
        """See `Reader.why`."""
        return await self._run(self._queries.why(entity, n))

    async def history(self, entity: str, n: int | None = None) -> list[Point]:
        """See `Reader.history`."""
        return await self._run(self._queries.history(entity, n))

    async def campaigns(self, defined: Iterable[Definition] | None = None) -> list[Campaign]:
        """See `Reader.campaigns`."""
        return await self._run(self._queries.campaigns(defined))

    async def alerts(self, n: int = 10) -> list[dict[str, Any]]:
        """See `Reader.alerts`."""
        return await self._run(self._queries.alerts(n))

    def follow(
        self, scope: str | None = None, accounts: Collection[str] | None = None, position: Start = "newest"
    ) -> AsyncFeed[ScoreChange]:
        """See `Reader.follow`."""
        return AsyncFeed(self._queries.changes(scope, accounts, position), self._run)

    def follow_alerts(self, position: Start = "newest") -> AsyncFeed[dict[str, Any]]:
        """See `Reader.follow_alerts`."""
        return AsyncFeed(self._queries.alerts_from(position), self._run)

    async def hidden(self) -> set[str]:
        """See `Reader.hidden`."""
        return await self._run(self._queries.hidden())

    async def partition_stats(self) -> dict[int, dict[str, str]]:
        """See `Reader.partition_stats`."""
        return await self._run(self._queries.partition_stats())

    async def stats(self) -> Stats:
        """See `Reader.stats`."""
        return await self._run(self._queries.stats())

    async def _run(self, plan: Plan[T]) -> T:
        try:
            wanted = next(plan)
            while True:
                if isinstance(wanted, float):
                    await asyncio.sleep(wanted)
                    wanted = plan.send([])
                    continue
                try:
                    replies = await self._ask(wanted)
                except ServiceUnavailable as e:
                    wanted = plan.throw(e)
                else:
                    wanted = plan.send(replies)
        except StopIteration as done:
            answer: T = done.value
            return answer

    async def _ask(self, commands: list[Command]) -> list[Any]:
        """Return the replies to commands sent in one go."""
        with reaching_redis(self.settings):
            try:
                return await self._pipelined(commands)
            except NoScriptError:  # a server that was started anew; asking again changes nothing
                await self._client.script_load(script())
                return await self._pipelined(commands)

    async def _pipelined(self, commands: list[Command]) -> list[Any]:
        pipe: Any = self._client.pipeline(transaction=False)
        for command in commands:
            pipe.execute_command(*command)
        return list(await pipe.execute())
