"""A file as a source: it is read once, from where an earlier run stopped."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import msgspec

from streams.errors import UsageError
from streams.events.decode import Event
from streams.replay import events, higgs
from streams.replay.readers import Recording
from streams.sources.file.gharchive import GhArchive
from streams.sources.file.mapping import FieldMap
from streams.sources.file.rows import Rows
from streams.sources.file.steem import Steem
from streams.sources.source import Mapped, Position, Source

Line = tuple[int, bytes]
LineMap = Callable[[int, bytes], Mapped]
_LINES = 2_000
_decode = msgspec.json.Decoder(Event).decode


class File(Source):
    """Lines of a file, plain or gzip."""

    name = "file"
    is_live = False

    def __init__(self, path: Path, mapping: LineMap) -> None:
        """Open nothing yet.

        Raises:
            UsageError: the file can't be read.
        """
        self._recording = Recording(path, "events")
        self._mapping = mapping
        self._line = 0

    def map(self, message: Line) -> Mapped:
        """Return what a line is."""
        self._line = message[0]
        return self._mapping(*message)

    def raw(self, message: Line) -> bytes:
        """Return the line."""
        return message[1]

    def position(self) -> Position | None:
        """Return the number of the last line."""
        return {"line": self._line} if self._line else None

    async def batches(self, position: Position | None) -> AsyncGenerator[list[Line], None]:
        """Yield numbered lines; those before the position are only mapped, for what the mapping remembers of them.

        Raises:
            UsageError: the file is damaged, or shorter than what was read of it before.
        """
        done = 0 if position is None else int(position["line"])
        if done:
            self.tell(f"{self._recording.path}: going on after line {done:,}")
        for first, lines in self._recording.lines():
            numbered = list(enumerate(lines, first))
            for line in numbered[: max(0, done - first + 1)]:
                self.map(line)
            numbered = numbered[max(0, done - first + 1) :]
            for start in range(0, len(numbered), _LINES):
                yield numbered[start : start + _LINES]
        if self._line < done:
            raise UsageError(
                f"{str(self._recording.path)!r} has {self._line:,} lines, but {done:,} of them were read before: it is another "
                "file now; start with --from-scratch"
            )


def preset(name: str) -> LineMap:
    """Return the mapping of a well-known layout: `events`, `higgs`, `gharchive` or `steem`."""
    if name == "gharchive":
        return GhArchive()
    if name == "steem":
        return Steem()
    records = higgs.records if name == "higgs" else events.records

    def of_record(number: int, line: bytes) -> Mapped:
        ((value,),) = records([line], number, 0.0)[1:]
        try:
            event = _decode(value)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return Mapped("unknown line", dropped="no event", is_kept=True)
        return Mapped(event.kind, [event])

    return of_record


def mapped_rows(rows: Rows, fields: FieldMap, name: str) -> LineMap:
    """Return a mapping by the names of columns; `name` begins the ids of rows that have none."""

    def of_row(number: int, line: bytes) -> Mapped:
        try:
            row = rows.row(line)
        except ValueError:
            return Mapped("unknown line", dropped="unreadable", is_kept=True)
        return Mapped("header") if row is None else fields.map(row, f"{name}:{number}")

    return of_row


PRESETS = ("events", "higgs", "gharchive", "steem")
