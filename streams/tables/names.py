"""Names of rows, back to back in one byte array: a start and a length per row instead of a Python object."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streams.columns.index import Rows
from streams.columns.pool import grown, ragged
from streams.columns.texts import Texts


class Names:
    """Append-only store; names of freed rows are squeezed out when they are half of it."""

    def __init__(self) -> None:
        self._bytes: NDArray[np.uint8] = np.zeros(256, dtype=np.uint8)
        self._end = 0
        self._dead_bytes = 0
        self.start: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self.length: NDArray[np.uint16] = np.zeros(0, dtype=np.uint16)

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self._bytes.nbytes + self.start.nbytes + self.length.nbytes

    def put(self, rows: Rows, names: Texts) -> None:
        """Name new rows."""
        packed = names.packed()
        top = int(rows.max()) + 1
        self.start, self.length = grown(self.start, top), grown(self.length, top)
        self._bytes = grown(self._bytes, self._end + len(packed))
        self._bytes[self._end : self._end + len(packed)] = packed
        self.start[rows] = self._end + names.length.cumsum() - names.length
        self.length[rows] = names.length
        self._end += len(packed)

    def get(self, rows: Rows) -> list[bytes]:
        """Return the names of `rows`."""
        lengths = self.length[rows].astype(np.int64)
        blob = self._bytes[ragged(self.start[rows], lengths)].tobytes()
        ends = lengths.cumsum()
        return [blob[a:b] for a, b in zip((ends - lengths).tolist(), ends.tolist(), strict=True)]

    def drop(self, rows: Rows, live: Rows) -> None:
        """Forget the names of `rows`; `live` are the rows still in use."""
        self._dead_bytes += int(self.length[rows].sum())
        self.length[rows] = 0
        if self._dead_bytes > max(4096, self._end // 2):
            lengths = self.length[live].astype(np.int64)
            kept = self._bytes[ragged(self.start[live], lengths)]
            self.start[live] = lengths.cumsum() - lengths
            self._bytes, self._end, self._dead_bytes = kept, len(kept), 0
