"""Redis in memory: dictionaries, and the project's own scripts run by the version of Lua that Redis has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from typing import Any

import redis

from . import lua
from .lua import as_text


def entry_of(text: str) -> tuple[int, int]:
    """Return the id of a stream's entry as it is compared."""
    ms, _, number = text.partition("-")
    return int(ms), int(number or 0)


class Store:
    """The server."""

    def __init__(self) -> None:
        self.data: dict[str, Any] = {}
        self.scripts: dict[str, str] = {}
        self.caller = ""  # whose commands are run
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
        return lua.run(text, args, self.command)

    def command(self, name: str, *args: Any) -> Any:
        """Run one command; strings are text."""
        return getattr(self, "_" + name.lower())(*args)

    def _exists(self, key: str) -> int:
        return int(key in self.data)

    def _get(self, key: str) -> str | None:
        found: str | None = self.data.get(key)
        return found

    def _set(self, key: str, value: Any) -> str:
        self.data[key] = as_text(value)
        return "OK"

    def _setnx(self, key: str, value: Any) -> int:
        if key in self.data:
            return 0
        self.data[key] = as_text(value)
        return 1

    def _del(self, *keys: str) -> int:
        return sum(self.data.pop(key, None) is not None for key in keys)

    def _rename(self, key: str, new: str) -> str:
        self.data[new] = self.data.pop(key)
        return "OK"

    def _expire(self, key: str, _seconds: Any) -> int:
        return int(key in self.data)

    def _persist(self, _key: str) -> int:
        return 0  # nothing here expires

    def _hget(self, key: str, field: str) -> str | None:
        found: str | None = self.data.get(key, {}).get(field)
        return found

    def _hmget(self, key: str, *fields: str) -> list[bytes | None]:
        found = [self._hget(key, field) for field in fields]
        return [None if value is None else value.encode() for value in found]

    def _hset(self, key: str, *pairs: Any) -> int:
        held = self.data.setdefault(key, {})
        before = len(held)
        held.update((as_text(f), as_text(v)) for f, v in zip(pairs[::2], pairs[1::2], strict=True))
        return len(held) - before

    def _hdel(self, key: str, field: str) -> int:
        return int(self.data.get(key, {}).pop(field, None) is not None)

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
        return [(b"%d-%d" % entry, {b"json": value.encode()}) for entry, value in held if value is not None]

    def _xrange(self, key: str, least: str, count: int) -> list[tuple[bytes, dict[bytes, bytes]]]:
        above = entry_of(least[1:]) if least.startswith("(") else (-1, 0)
        return [entry for entry in self._entries(key) if entry_of(entry[0].decode()) > above][:count]

    def _xinfo(self, _about: str, key: str) -> list[Any]:
        offset, number = self.data[key][-1][0]
        return ["length", len(self._entries(key)), "last-generated-id", f"{offset}-{number}"]

    def _xdel(self, key: str, *entries: bytes) -> int:
        gone = {entry_of(entry.decode()) for entry in entries}
        # The numbers stay: a stream takes none that isn't above the last one it had.
        self.data[key] = [(number, None if number in gone else value) for number, value in self.data.get(key, [])]
        return len(gone)

    def _sadd(self, key: str, *members: Any) -> int:
        held = self.data.setdefault(key, set())
        before = len(held)
        held.update(map(as_text, members))
        return len(held) - before

    def _srem(self, key: str, *members: Any) -> int:
        held = self.data.get(key, set())
        before = len(held)
        held.difference_update(map(as_text, members))
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
            held.append(((len(held), 0), value))
            self.on_alert(value)
            return f"{len(held)}-0"
        new = entry_of(entry)
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

    def _lrange(self, key: str, first: Any, last: Any) -> list[bytes]:
        assert (first, last) == (0, -1)
        return [value.encode() for value in self.data.get(key, [])]

    def _lrem(self, key: str, count: Any, value: Any) -> int:
        assert count == 0
        held = self.data.get(key, [])
        kept = [one for one in held if one != as_text(value)]
        if kept:
            self.data[key] = kept
        else:
            self.data.pop(key, None)
        return len(held) - len(kept)

    def _ltrim(self, key: str, first: Any, last: Any) -> str:
        self.data[key] = self.data[key][int(first) : int(last) + 1]
        return "OK"
