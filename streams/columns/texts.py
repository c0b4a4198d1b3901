"""A column of byte strings: one array of bytes with a start and a length each, instead of a Python object each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streams.columns.index import Rows
from streams.columns.pool import ragged


class Texts(Sequence[bytes]):
    """Byte strings that are cut out when asked for; they may overlap, and what lies between them is nobody's.

    Args:
        data: bytes, shape (any,).
        start: where each string begins in `data`, shape (n,).
        length: of each string, bytes.
    """

    __slots__ = ("data", "length", "start")

    def __init__(self, data: NDArray[np.uint8], start: Rows, length: Rows) -> None:
        self.data, self.start, self.length = data, start, length

    @classmethod
    def of(cls, strings: Sequence[bytes]) -> Texts:
        """Return strings as a column; a column is returned as it is."""
        if isinstance(strings, Texts):
            return strings
        length = np.fromiter(map(len, strings), dtype=np.int64, count=len(strings))
        return cls(np.frombuffer(b"".join(strings), dtype=np.uint8), length.cumsum() - length, length)

    @classmethod
    def concatenated(cls, parts: Sequence[Texts]) -> Texts:
        """Return several columns as one."""
        if len(parts) == 1:
            return parts[0]
        shifts = np.cumsum([0, *(len(part.data) for part in parts[:-1])])
        return cls(
            np.concatenate([part.data for part in parts]),
            np.concatenate([part.start + shift for part, shift in zip(parts, shifts, strict=True)]),
            np.concatenate([part.length for part in parts]),
        )

    def __len__(self) -> int:
        return len(self.start)

    def __getitem__(self, i: Any) -> Any:
        start = int(self.start[i])
        return self.data[start : start + int(self.length[i])].tobytes()

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.tolist())

    def tolist(self) -> list[bytes]:
        """Return the strings."""
        blob = self.data.tobytes()
        return [blob[a:b] for a, b in zip(self.start.tolist(), (self.start + self.length).tolist(), strict=True)]

    def pick(self, which: Rows) -> Texts:
        """Return some of the strings, in that order, over the same bytes."""
        return Texts(self.data, self.start[which], self.length[which])

    def compact(self) -> Texts:
        """Return the strings over bytes of their own."""
        return Texts(self.packed(), self.length.cumsum() - self.length, self.length)

    def packed(self) -> NDArray[np.uint8]:
        """Return the bytes of the strings back to back."""
        return self.data[ragged(self.start, self.length)]
