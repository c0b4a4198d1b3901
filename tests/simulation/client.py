"""Connections to the Redis in memory: a worker's, and what the oracle reads by.

A command reaches it and is answered some time later, unless it is away. What a pipeline holds runs in one go, as that of an
otherwise idle server does; where the connection breaks, a part of it may have.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any

import redis
from redis.exceptions import NoScriptError

from .lua import as_text
from .plan import Plan
from .store import Store
from .world import World


class _Script:
    """A registered script, as redis-py has it: by its hash, and loaded when the server doesn't know it."""

    def __init__(self, client: Client, text: str) -> None:
        self._client, self.script = client, text
        self.sha = hashlib.sha1(text.encode()).hexdigest()  # what Redis uses

    async def __call__(self, args: Sequence[Any]) -> Any:
        try:
            return (await self._client.run([("evalsha", self.sha, *args)]))[0]
        except NoScriptError:
            await self._client.script_load(self.script)
            return (await self._client.run([("evalsha", self.sha, *args)]))[0]


class _Pipeline:
    def __init__(self, client: Client) -> None:
        self._client = client
        self._commands: list[tuple[Any, ...]] = []

    async def __aenter__(self) -> _Pipeline:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._commands = []

    def evalsha(self, sha: str, _keys: int, *args: Any) -> None:
        self._commands.append(("evalsha", sha, *args))

    def hset(self, key: str, mapping: dict[Any, Any]) -> None:
        self._commands.append(("hset", key, *(x for pair in mapping.items() for x in pair)))

    def hmget(self, key: str, *fields: str) -> None:
        self._commands.append(("hmget", key, *fields))

    def set(self, key: str, value: Any) -> None:
        self._commands.append(("set", key, value))

    def lrange(self, key: bytes, first: int, last: int) -> None:
        self._commands.append(("lrange", as_text(key), first, last))

    async def execute(self) -> list[Any]:
        return await self._client.run(self._commands)


class Client:
    """A worker's connection: the part of redis-py's interface that the writer uses."""

    def __init__(self, world: World, plan: Plan, store: Store, worker: Any) -> None:
        self._world, self._plan, self._store, self._worker = world, plan, store, worker

    def register_script(self, text: str) -> _Script:
        return _Script(self, text)

    def pipeline(self, transaction: bool = False) -> _Pipeline:
        return _Pipeline(self)

    async def script_load(self, text: str) -> None:
        await self.run([("load", text)])

    async def exists(self, key: str) -> int:
        return int((await self.run([("exists", key)]))[0])

    async def get(self, key: str) -> bytes | None:
        found: bytes | None = (await self.run([("get", key)]))[0]
        return found

    async def set(self, key: str, value: str, nx: bool = False) -> Any:
        return (await self.run([("setnx" if nx else "set", key, value)]))[0]

    async def zrange(self, key: str, first: int, last: int, desc: bool, withscores: bool) -> list[tuple[bytes, float]]:
        assert desc
        assert withscores
        found: list[tuple[bytes, float]] = (await self.run([("zrange", key, first, last)]))[0]
        return found

    async def xrevrange(self, key: str, count: int) -> list[tuple[bytes, dict[bytes, bytes]]]:
        found: list[tuple[bytes, dict[bytes, bytes]]] = (await self.run([("xrevrange", key, count)]))[0]
        return found

    async def sadd(self, key: str, *members: Any) -> Any:
        return (await self.run([("sadd", key, *members)]))[0]

    async def srem(self, key: str, *members: Any) -> Any:
        return (await self.run([("srem", key, *members)]))[0]

    async def smembers(self, key: str) -> set[bytes]:
        return {member.encode() for member in (await self.run([("smembers", key)]))[0]}

    async def delete(self, *keys: bytes) -> Any:
        return (await self.run([("del", *map(as_text, keys))]))[0]

    async def hget(self, key: str, field: str) -> bytes | None:
        found: bytes | None = (await self.run([("hget", key, field)]))[0]
        return found

    async def xrange(self, key: str, min: str, count: int) -> list[tuple[bytes, dict[bytes, bytes]]]:
        found: list[tuple[bytes, dict[bytes, bytes]]] = (await self.run([("xrange", key, min, count)]))[0]
        return found

    async def xdel(self, key: str, *entries: bytes) -> Any:
        return (await self.run([("xdel", key, *entries)]))[0]

    async def lrem(self, key: bytes, count: int, value: bytes) -> Any:
        return (await self.run([("lrem", as_text(key), count, value)]))[0]

    async def scan_iter(self, match: str, count: int) -> AsyncIterator[bytes]:
        for key in (await self.run([("keys", match)]))[0]:
            yield key

    async def expire(self, key: str, seconds: int) -> Any:
        return (await self.run([("expire", key, seconds)]))[0]

    async def hmget(self, key: str, *fields: str) -> list[bytes | None]:
        found: list[bytes | None] = (await self.run([("hmget", key, *fields)]))[0]
        return found

    async def hset(self, key: str, mapping: dict[Any, Any]) -> Any:
        return (await self.run([("hset", key, *(x for pair in mapping.items() for x in pair))]))[0]

    async def zadd(self, key: str, mapping: dict[str, int], gt: bool) -> Any:
        assert gt
        return (await self.run([("zaddgt", key, *(x for pair in mapping.items() for x in pair))]))[0]

    async def aclose(self) -> None:
        """Nothing is held."""

    async def run(self, commands: list[tuple[Any, ...]]) -> list[Any]:
        """Send commands and wait for their answers; raises what redis-py would."""
        world, worker = self._world, self._worker
        answer = worker.loop.create_future()

        def reply(results: Any) -> None:
            if worker.is_paused:
                worker.when_awake(lambda: reply(results))
            elif worker.is_alive and not answer.done():
                if isinstance(results, Exception):
                    answer.set_exception(results)
                else:
                    answer.set_result(results)

        def arrive() -> None:
            if not worker.is_alive and not worker.leaves_requests:
                return
            results: Any
            if any(start_s <= world.now_s < end_s for start_s, end_s in self._plan.redis_away):
                results = redis.ConnectionError("away")
            elif world.chance(self._plan.redis_cuts):
                done = world.rng.randint(0, len(commands))
                self._run(commands[:done])
                world.note("%s: Redis did %d of %d commands, then the connection broke", worker, done, len(commands))
                results = redis.TimeoutError("no answer")
            else:
                results = self._run(commands)
            world.after(self._plan.latency_s(world), lambda: reply(results))

        world.after(self._plan.latency_s(world), arrive)
        return list(await answer)

    def _run(self, commands: list[tuple[Any, ...]]) -> Any:
        self._store.caller = str(self._worker)
        results: list[Any] = []
        failed: Exception | None = None
        for name, *args in commands:
            if name == "load":
                self._store.scripts[hashlib.sha1(args[0].encode()).hexdigest()] = args[0]  # as Redis
                results.append(None)
            elif name == "evalsha":
                text = self._store.scripts.get(args[0])
                if text is None:
                    failed = failed or NoScriptError("No matching script")
                    continue
                results.append(self._store.run_script(text, args[1:]))
            else:
                found = self._store.command(name, *args)
                results.append(found.encode() if isinstance(found, str) else found)
        return failed or results


class Reading:
    """What the oracle asks: the part of a plain client's interface that it uses."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._wanted: list[str] = []

    def pipeline(self, transaction: bool = False) -> Reading:
        return Reading(self._store)

    def hgetall(self, key: str) -> None:
        self._wanted.append(key)

    def execute(self) -> list[dict[bytes, bytes]]:
        data = self._store.data
        return [{f.encode(): v.encode() for f, v in data.get(key, {}).items()} for key in self._wanted]

    def exists(self, key: str) -> bool:
        return key in self._store.data

    def scan_iter(self, match: str, count: int) -> Iterable[bytes]:
        prefix = match.removesuffix("*").replace("\\", "")
        return [key.encode() for key in self._store.data if fnmatchcase(key, match) or key.startswith(prefix)]

    def zscan_iter(self, key: str, count: int) -> Iterator[tuple[bytes, float]]:
        return ((member.encode(), score) for member, score in self._store.data.get(key, {}).items())
