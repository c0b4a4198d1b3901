"""How far a partition's engagements are folded, and the changelog record that says so.

The record's key can't be an entity's name: it starts with a zero byte. Its value says up to where the rows written before it are
complete (`design.md` 3.3), and by which half-lives they were written. Those stand at the end, where a release that doesn't know
them reads no further; a marker without them is one that such a release wrote.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from streams.tables.half_lives import HalfLives

VERSION = 1
MARKER_KEY = b"\x00marker"
_MARKER = struct.Struct("<BxHIqd")
_SOURCE = struct.Struct("<HIq")


@dataclass
class Marker:
    """O, H and the watermark of `design.md` 3.

    `folded` is the highest engagements offset folded, `applied` the highest event offset applied for each source (topic,
    partition), `watermark` the newest event time, epoch s. `half_lives` are those that the rows are written by; None where an
    earlier release wrote it.
    """

    folded: int = -1
    applied: dict[tuple[str, int], int] = field(default_factory=dict)
    watermark: float = 0.0
    half_lives: HalfLives | None = None

    def copy(self) -> Marker:
        """Return what it says now."""
        return Marker(self.folded, dict(self.applied), self.watermark, self.half_lives)

    def encode(self) -> bytes:
        """Return the marker's value."""
        parts = [_MARKER.pack(VERSION, len(self.applied), 0, self.folded, self.watermark)]
        for (topic, partition), offset in sorted(self.applied.items()):
            name = topic.encode()
            parts.append(_SOURCE.pack(len(name), partition, offset) + name)
        return b"".join(parts) + (self.half_lives.encode() if self.half_lives else b"")

    @classmethod
    def decode(cls, value: bytes) -> Marker:
        """Return the marker in `value`.

        Raises:
            ValueError: another version wrote it.
        """
        version, sources, _, folded, watermark = _MARKER.unpack_from(value)
        if version != VERSION:
            raise ValueError(f"marker of version {version}; expected {VERSION}: a newer release wrote this changelog")
        position, applied = _MARKER.size, {}
        for _ in range(sources):
            length, partition, offset = _SOURCE.unpack_from(value, position)
            position += _SOURCE.size
            applied[(value[position : position + length].decode(), partition)] = offset
            position += length
        return cls(folded, applied, watermark, HalfLives.decode(value, position))
