"""Where a follower is in some streams: which entries come next, and how far those handed out go. No client is in it."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Generic, Literal, TypeVar

from msgspec import DecodeError

T = TypeVar("T")
Start = Mapping[str, str] | Literal["newest", "oldest"]
OLDEST = "0-0"
ENTRIES = 500  # of each stream at a time: some 200 KB
_ID = re.compile(r"\d+-\d+")


class Cursor(Generic[T]):
    """A place in streams whose entries have one field, `json`.

    Args:
        prefix: of the keys.
        names: of the streams, without it.
        start: a `position` as it was taken out; `newest` for what comes from the first look on; `oldest` for all there is.
        decode: an entry's JSON to what is handed out, or None for what isn't asked for.

    Raises:
        ValueError: `start` isn't a position in these streams.
    """

    def __init__(self, prefix: str, names: Sequence[str], start: Start, decode: Callable[[bytes], T | None]) -> None:
        self._prefix, self._names, self._decode = prefix, names, decode
        if start not in ("newest", "oldest"):
            self._check(start)
        # A stream that a position doesn't have was empty when it was taken, so nothing of it has been seen.
        given = {} if isinstance(start, str) else dict(start)
        self.is_placed = start != "newest"
        self._handed: dict[str, str] = {name: given.get(name, OLDEST) for name in names} if self.is_placed else {}
        self._read = dict(self._handed)
        self._waiting: deque[tuple[str, str, T | None]] = deque()

    def _check(self, position: Any) -> None:
        is_position = isinstance(position, Mapping) and all(
            name in self._names and isinstance(at, str) and _ID.fullmatch(at) for name, at in position.items()
        )
        if not is_position:
            raise ValueError(
                f"no position: {position!r}; expected newest, oldest, or what `position` was: stream -> last id seen"
            )

    @property
    def position(self) -> dict[str, str] | None:
        """Stream -> id of the last entry handed out or passed over; None before the first look from `newest`."""
        return dict(self._handed) if self.is_placed else None

    def placing(self) -> list[tuple[Any, ...]]:
        """Return the commands whose replies `place` takes."""
        return [("XREVRANGE", self._prefix + name, "+", "-", "COUNT", 1) for name in self._names]

    def place(self, replies: Sequence[Any]) -> None:
        """Begin behind the newest entry of each stream."""
        self._handed = {
            name: newest[0][0].decode() if newest else OLDEST for name, newest in zip(self._names, replies, strict=True)
        }
        self._read, self.is_placed = dict(self._handed), True

    def checking(self) -> list[tuple[Any, ...]]:
        """Return the commands whose replies `has_gap` takes: the oldest entry that is left of each stream."""
        return [("XRANGE", self._prefix + name, "-", "+", "COUNT", 1) for name in self._names]

    def has_gap(self, replies: Sequence[Any]) -> bool:
        """Return whether entries may have gone before they were read.

        They can't have while the entry read last, or an older one, is still there.
        """
        for name, oldest in zip(self._names, replies, strict=True):
            read = _number(self._read[name])
            if read > _number(OLDEST) and (not oldest or _number(oldest[0][0].decode()) > read):
                return True
        return False

    def reading(self, block_s: float) -> tuple[Any, ...]:
        """Return the command whose reply `take` takes; it waits up to `block_s` for the first entry."""
        block = ("BLOCK", max(1, round(block_s * 1000))) if block_s > 0 else ()  # 0 would wait for ever
        keys = [self._prefix + name for name in self._names]
        return ("XREAD", "COUNT", ENTRIES, *block, "STREAMS", *keys, *(self._read[name] for name in self._names))

    def take(self, reply: Any) -> bool:
        """Take entries in; return whether there were any.

        Raises:
            ValueError: an entry can't be read; what is read next comes behind it.
        """
        # By the protocol's version it is a list of pairs, or a dictionary of lists.
        streams = [(key, part) for key, parts in reply.items() for part in parts] if isinstance(reply, dict) else reply or ()
        for key, entries in streams:
            name = key.decode().removeprefix(self._prefix)
            for entry_id, fields in entries:
                at = self._read[name] = entry_id.decode()
                try:
                    item = self._decode(fields[b"json"])
                except (KeyError, DecodeError) as e:
                    raise ValueError(f"{self._prefix}{name}@{at} can't be read: {e}; expected JSON in the field json") from e
                self._waiting.append((name, at, item))
        return bool(streams)

    def hand_out(self) -> Iterator[T]:
        """Yield what is waiting; before each, `position` moves behind it."""
        while self._waiting:
            name, self._handed[name], item = self._waiting.popleft()
            if item is not None:
                yield item


def _number(entry_id: str) -> tuple[int, int]:
    """Return an id as what it is ordered by."""
    milliseconds, _, sequence = entry_id.partition("-")
    return int(milliseconds), int(sequence)
