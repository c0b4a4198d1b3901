"""Redis in memory: dictionaries, and the project's own scripts run by the version of Lua that Redis has.

A command reaches it and is answered some time later, unless it is away. What a pipeline holds runs in one go, as that of an
otherwise idle server does; where the connection breaks, a part of it may have.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

import msgspec
import redis
from lupa.lua51 import LuaRuntime
from redis.exceptions import NoScriptError

from .plan import Plan
from .world import World

_current: Store | None = None


class _Packed:
    """Bytes that pass through Lua as they are."""

    def __init__(self, data: bytes) -> None:
        self.data = data


@cache
def _lua() -> Any:
    lua = LuaRuntime(unpack_returned_tuples=False)
    env = lua.globals()

    def to_lua(value: Any) -> Any:
        if value is None:
            return False
        return lua.table_from(value) if isinstance(value, list) else value

    def call(name: str, *args: Any) -> Any:
        assert _current is not None
        return to_lua(_current.command(name, *args))

    def pcall(name: str, *args: Any) -> Any:
        try:
            return call(name, *args)
        except redis.ResponseError as e:
            return lua.table_from({"err": str(e)})

    env.redis = lua.table_from({"call": call, "pcall": pcall})
    unpack = msgspec.msgpack.Decoder().decode
    env.cmsgpack = lua.table_from({"unpack": lambda packed: lua.table_from(unpack(packed.data), recursive=True)})
    return lua


@cache
def _compiled(text: str) -> Any:
    return _lua().compile(text)


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


class Store:
    """The server."""

    def __init__(self) -> None:
        self.data: dict[str, Any] = {}
        self.scripts: dict[str, str] = {}
        self.on_change: Callable[[str, str, str], None] = lambda *_: None  # key, id, event: an entry of a stream
        self.on_message: Callable[[str], None] = lambda _: None
        self.on_alert: Callable[[str], None] = lambda _: None

    def wipe(self, with_scripts: bool) -> None:
        """Forget everything."""
        self.data.clear()
        if with_scripts:
            self.scripts.clear()

    def run_script(self, text: str, args: Sequence[Any]) -> Any:
        """Run a script with ARGV."""
        global _current
        lua = _lua()
        _current = self
        lua.globals().ARGV = lua.table_from([_Packed(a) if isinstance(a, bytes) else _text(a) for a in args])
        result = _compiled(text)()
        return result.encode() if isinstance(result, str) else result

    def command(self, name: str, *args: Any) -> Any:
        """Run one command; strings are text."""
        return getattr(self, "_" + name.lower())(*args)

    def _exists(self, key: str) -> int:
        return int(key in self.data)

    def _get(self, key: str) -> str | None:
        found: str | None = self.data.get(key)
        return found

    def _set(self, key: str, value: Any) -> str:
        self.data[key] = _text(value)
        return "OK"

    def _setnx(self, key: str, value: Any) -> int:
        if key in self.data:
            return 0
        self.data[key] = _text(value)
        return 1

    def _del(self, *keys: str) -> int:
        return sum(self.data.pop(key, None) is not None for key in keys)

    def _rename(self, key: str, new: str) -> str:
        self.data[new] = self.data.pop(key)
        return "OK"

    def _expire(self, key: str, _seconds: Any) -> int:
        return int(key in self.data)

    def _hget(self, key: str, field: str) -> str | None:
        found: str | None = self.data.get(key, {}).get(field)
        return found

    def _hset(self, key: str, *pairs: Any) -> int:
        held = self.data.setdefault(key, {})
        before = len(held)
        held.update((_text(f), _text(v)) for f, v in zip(pairs[::2], pairs[1::2], strict=True))
        return len(held) - before

    def _zadd(self, key: str, score: Any, member: str) -> int:
        held = self.data.setdefault(key, {})
        is_new = member not in held
        held[member] = float(score)
        return int(is_new)

    def _zscore(self, key: str, member: str) -> str | None:
        found = self.data.get(key, {}).get(member)
        return None if found is None else repr(found)

    def _zaddgt(self, key: str, *pairs: Any) -> int:
        held = self.data.setdefault(key, {})
        for member, score in zip(pairs[::2], pairs[1::2], strict=True):
            held[member] = max(held.get(member, 0.0), float(score))
        return 0

    def _zrem(self, key: str, member: str) -> int:
        held = self.data.get(key, {})
        gone = held.pop(member, None) is not None
        if key in self.data and not held:
            del self.data[key]
        return int(gone)

    def _zrange(self, key: str, first: int, last: int) -> list[tuple[bytes, float]]:
        best = sorted(self.data.get(key, {}).items(), key=lambda item: (item[1], item[0]), reverse=True)
        return [(member.encode(), score) for member, score in best[first : last + 1]]

    def _xrevrange(self, key: str, count: int) -> list[tuple[bytes, dict[bytes, bytes]]]:
        return self._entries(key)[: -count - 1 : -1]

    def _entries(self, key: str) -> list[tuple[bytes, dict[bytes, bytes]]]:
        held = self.data.get(key, [])
        return [(b"%d-0" % number, {b"json": value.encode()}) for number, value in held if value is not None]

    def _xrange(self, key: str, least: str, count: int) -> list[tuple[bytes, dict[bytes, bytes]]]:
        above = int(least[1:].partition("-")[0]) if least.startswith("(") else -1
        return [entry for entry in self._entries(key) if int(entry[0].partition(b"-")[0]) > above][:count]

    def _xdel(self, key: str, *entries: bytes) -> int:
        gone = {int(entry.partition(b"-")[0]) for entry in entries}
        # The numbers stay: a stream takes none that isn't above the last one it had.
        self.data[key] = [(number, None if number in gone else value) for number, value in self.data[key]]
        return len(gone)

    def _sadd(self, key: str, *members: Any) -> int:
        held = self.data.setdefault(key, set())
        before = len(held)
        held.update(map(_text, members))
        return len(held) - before

    def _srem(self, key: str, *members: Any) -> int:
        held = self.data.get(key, set())
        before = len(held)
        held.difference_update(map(_text, members))
        if key in self.data and not held:
            del self.data[key]
        return before - len(held)

    def _keys(self, match: str) -> list[bytes]:
        return [key.encode() for key in self.data if fnmatchcase(key, match)]

    def _scard(self, key: str) -> int:
        return len(self.data.get(key, ()))

    def _smembers(self, key: str) -> list[str]:
        return sorted(self.data.get(key, ()))

    def _xadd(self, key: str, _maxlen: str, _about: str, _length: Any, entry: str, _field: str, value: str) -> str:
        held = self.data.setdefault(key, [])
        if entry == "*":
            held.append((len(held), value))
            self.on_alert(value)
            return f"{len(held)}-0"
        new = int(entry.partition("-")[0])
        if held and new <= held[-1][0]:
            raise redis.ResponseError("The ID specified in XADD is equal or smaller than the target stream top item")
        held.append((new, value))
        self.on_change(key, entry, value)
        return entry

    def _publish(self, channel: str, value: str) -> int:
        if channel.endswith("changes"):
            self.on_message(value)
        return 0

    def _lpush(self, key: str, value: str) -> int:
        held = self.data.setdefault(key, [])
        held.insert(0, value)
        return len(held)

    def _lindex(self, key: str, place: Any) -> str | None:
        held = self.data.get(key, [])
        return held[int(place)] if len(held) > int(place) else None

    def _lset(self, key: str, place: Any, value: str) -> str:
        self.data[key][int(place)] = value
        return "OK"

    def _ltrim(self, key: str, first: Any, last: Any) -> str:
        self.data[key] = self.data[key][int(first) : int(last) + 1]
        return "OK"


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

    def set(self, key: str, value: Any) -> None:
        self._commands.append(("set", key, value))

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
        return (await self.run([("del", *map(_text, keys))]))[0]

    async def hget(self, key: str, field: str) -> bytes | None:
        found: bytes | None = (await self.run([("hget", key, field)]))[0]
        return found

    async def xrange(self, key: str, min: str, count: int) -> list[tuple[bytes, dict[bytes, bytes]]]:
        found: list[tuple[bytes, dict[bytes, bytes]]] = (await self.run([("xrange", key, min, count)]))[0]
        return found

    async def xdel(self, key: str, *entries: bytes) -> Any:
        return (await self.run([("xdel", key, *entries)]))[0]

    async def scan_iter(self, match: str, count: int) -> AsyncIterator[bytes]:
        for key in (await self.run([("keys", match)]))[0]:
            yield key

    async def expire(self, key: str, seconds: int) -> Any:
        return (await self.run([("expire", key, seconds)]))[0]

    async def hmget(self, key: str, *fields: str) -> list[bytes | None]:
        return await self.run([("hget", key, field) for field in fields])

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
