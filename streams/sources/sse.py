"""Server-sent events, and lines, out of pieces of any size."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import NamedTuple

from streams.sources.connecting import Broken

MOST_BYTES = 4_000_000  # of one line: a host that sends none must not fill the memory


class Sent(NamedTuple):
    """One event: its name, and its data with the lines joined."""

    event: str
    data: bytes


class Lines:
    """Cuts pieces into lines without their ends; the rest waits for the next piece."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, piece: bytes) -> list[bytes]:
        """Return the lines that are complete.

        Raises:
            Broken: a line has no end.
        """
        self._rest += piece
        if b"\n" not in piece:
            if len(self._rest) > MOST_BYTES:
                raise Broken(f"a line has more than {MOST_BYTES:,} bytes")
            return []
        *lines, rest = bytes(self._rest).split(b"\n")
        self._rest = bytearray(rest)
        return [line.removesuffix(b"\r") for line in lines]


class Events:
    """Puts lines together to events, by the rules of the HTML standard; comments are left out."""

    def __init__(self) -> None:
        self._event = ""
        self._data: list[bytes] = []

    def feed(self, line: bytes) -> Sent | None:
        """Return the event that a line completes."""
        if not line:
            sent = Sent(self._event or "message", b"\n".join(self._data)) if self._data else None
            self._event, self._data = "", []
            return sent
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"event":
            self._event = value.decode(errors="replace")
        elif name == b"data":
            self._data.append(value)
        return None


async def lines_of(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the lines of a stream; what follows the last line end is none, since the host may have broken off in it."""
    lines = Lines()
    async for piece in pieces:
        for line in lines.feed(piece):
            yield line


async def events_of(pieces: AsyncIterator[bytes]) -> AsyncIterator[Sent]:
    """Yield the events of a stream."""
    events = Events()
    async for line in lines_of(pieces):
        if (sent := events.feed(line)) is not None:
            yield sent
