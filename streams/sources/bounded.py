"""A store of fixed memory that forgets what was used longest ago."""

from __future__ import annotations

from collections import OrderedDict

import xxhash

# Of an entry beside the bytes of its value, measured: the key (a digest), the two `bytes` headers, the slot and the link.
ENTRY_BYTES = 230


class Bounded:
    """Key -> bytes, at most `limit_bytes` altogether; keys are kept as digests of 16 bytes."""

    def __init__(self, limit_bytes: int) -> None:
        self._entries: OrderedDict[bytes, bytes] = OrderedDict()
        self._limit_bytes = limit_bytes
        self.used_bytes = 0
        self.forgotten = 0
        """Entries that had to go for others."""

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, key: str, value: bytes) -> None:
        """Keep a value, in place of one that the key may have."""
        digest = _digest(key)
        before = self._entries.pop(digest, None)
        if before is not None:
            self.used_bytes -= ENTRY_BYTES + len(before)
        self._entries[digest] = value
        self.used_bytes += ENTRY_BYTES + len(value)
        while self.used_bytes > self._limit_bytes:
            _, gone = self._entries.popitem(last=False)
            self.used_bytes -= ENTRY_BYTES + len(gone)
            self.forgotten += 1

    def get(self, key: str) -> bytes | None:
        """Return a value, which by that is used again; None when there is none."""
        digest = _digest(key)
        value = self._entries.get(digest)
        if value is not None:
            self._entries.move_to_end(digest)
        return value

    def pop(self, key: str) -> bytes | None:
        """Return a value and forget it; None when there is none."""
        value = self._entries.pop(_digest(key), None)
        if value is not None:
            self.used_bytes -= ENTRY_BYTES + len(value)
        return value


def _digest(key: str) -> bytes:
    return xxhash.xxh128_digest(key.encode(errors="surrogatepass"))
