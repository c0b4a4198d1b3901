"""Files of recorded events, plain or gzip, as blocks of Kafka keys and values.

A line that isn't what the format says is passed on as it is: the pipeline refuses it with a reason and coordinates, which
says more than a reader that drops it.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from streams.errors import UsageError
from streams.replay import events, higgs

FORMATS = ("events", "higgs")
_BLOCK_BYTES = 1 << 20
_GZIP_MAGIC = b"\x1f\x8b"
# Kafka refuses requests above 1 MiB by default; a longer line could never be sent, not even to be refused.
_MOST_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Records:
    """One block, in the order of the file; a key is None where no actor can be read."""

    keys: list[bytes | None]
    values: list[bytes]


class Recording:
    """A file of recorded events; each iteration over `blocks` reads it from the start."""

    def __init__(self, path: Path, format: str, *, limit: int | None = None) -> None:
        """Open nothing yet; `limit` is the most lines to read, None for all.

        Raises:
            UsageError: the file isn't there or can't be read.
        """
        self.path = path
        self._format = higgs if format == "higgs" else events
        self._limit = limit
        try:
            with path.open("rb") as file:
                self._is_gzip = file.read(2) == _GZIP_MAGIC
            self.size_bytes = path.stat().st_size
        except OSError as e:
            raise UsageError(f"{str(path)!r} can't be read: {e.strerror}; expected a file of events") from e
        self.read_bytes = 0
        """How much of the file has been read, of `size_bytes`, both as stored: for a progress bar."""

    def newest_time(self) -> float | None:
        """Return the newest event time, epoch s, reading the whole file; None where no line has one."""
        newest = [time for _, lines in self.lines() if (time := self._format.newest_time(lines)) is not None]
        return max(newest, default=None)

    def blocks(self, shift_s: float = 0.0) -> Iterator[Records]:
        """Yield the records; every readable event time is moved by `shift_s`.

        Raises:
            UsageError: a line is longer than a Kafka record can be, or the compressed file is damaged.
        """
        for first, lines in self.lines():
            if len(max(lines, key=len)) > _MOST_BYTES:
                number, line = next((n, line) for n, line in enumerate(lines, first) if len(line) > _MOST_BYTES)
                raise UsageError(
                    f"line {number} of {str(self.path)!r} has {len(line)} bytes; expected at most {_MOST_BYTES}; remove it"
                )
            yield Records(*self._format.records(lines, first, shift_s))

    def lines(self) -> Iterator[tuple[int, list[bytes]]]:
        """Yield (1-based number of the first line, lines) of each block; line ends are left out."""
        number, rest = 1, b""
        with self.path.open("rb") as raw:
            file = cast("IO[bytes]", gzip.GzipFile(fileobj=raw)) if self._is_gzip else raw
            while True:
                try:
                    block = file.read(_BLOCK_BYTES)
                except (EOFError, gzip.BadGzipFile, zlib.error) as e:
                    raise UsageError(f"{str(self.path)!r} is damaged after line {number - 1}: {e}; fetch it again") from e
                self.read_bytes = raw.tell()
                lines = (rest + block).split(b"\n")
                rest = lines.pop() if block else b""
                if not block and lines[-1] == b"":
                    lines.pop()  # what follows the last line end is no line
                if self._limit is not None:
                    lines = lines[: self._limit - number + 1]
                if lines:
                    yield number, lines
                    number += len(lines)
                if not block or (self._limit is not None and number > self._limit):
                    return
