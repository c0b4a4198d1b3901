"""The packed record between intake and scorer: one record per intake batch and target partition.

Little-endian. A header, then columns in this order (n engagements, m names), then the source topic's name and the names:

    at f64[n]              event time, epoch seconds
    lo, hi u64[m]          128-bit hash of each name
    e u32[n]               offset of the event, less the header's base offset
    target, actor u32[n]   index into names: the scored entity, and who did it
    kind_weight, trust, budget, repeat, reciprocity, standing f32[n]
    name_length u16[m]     UTF-8 bytes of each name
    flags u8[n]            bits 0-1 kind, bit 2 undo

The weight of an engagement is the product of the five factors in float64; `standing` is the actor's, 0 to 1, when it was
weighed. Each factor is recorded so that a score can be explained, and recounted, from this topic alone.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streams.columns.texts import Texts

VERSION = 1
KINDS = ("tweet", "like", "share", "reply")
TWEET, LIKE, SHARE, REPLY = range(4)
KIND_MASK, UNDO_BIT = 0b011, 0b100
FACTORS = ("kind_weight", "trust", "budget", "repeat", "reciprocity")

# version, source topic's length, source partition, engagements, names, base offset
_HEADER = struct.Struct("<BxHIIIq")


@dataclass(slots=True)
class Engagements:
    """Columns of one record; arrays are read-only views when decoded."""

    source_topic: str
    source_partition: int
    base_offset: int
    at: NDArray[np.float64]
    e: NDArray[np.uint32]
    target: NDArray[np.uint32]
    actor: NDArray[np.uint32]
    kind_weight: NDArray[np.float32]
    trust: NDArray[np.float32]
    budget: NDArray[np.float32]
    repeat: NDArray[np.float32]
    reciprocity: NDArray[np.float32]
    standing: NDArray[np.float32]
    flags: NDArray[np.uint8]
    lo: NDArray[np.uint64]
    hi: NDArray[np.uint64]
    names: Texts

    def __len__(self) -> int:
        return len(self.at)

    @property
    def offsets(self) -> NDArray[np.int64]:
        """Source offset of each engagement's event."""
        return self.e.astype(np.int64) + self.base_offset

    @property
    def weight(self) -> NDArray[np.float64]:
        """Weight of each engagement, 0..1: the product of its factors in float64."""
        product = self.kind_weight.astype(np.float64)
        for name in FACTORS[1:]:
            product *= getattr(self, name)
        return product


def encode(batch: Engagements) -> bytes:
    """Return the record value of `batch`."""
    topic = batch.source_topic.encode()
    header = _HEADER.pack(VERSION, len(topic), batch.source_partition, len(batch), len(batch.names), batch.base_offset)
    columns: list[NDArray[Any]] = [
        batch.at, batch.lo, batch.hi, batch.e, batch.target, batch.actor, batch.kind_weight, batch.trust, batch.budget,
        batch.repeat, batch.reciprocity, batch.standing, batch.names.length.astype("<u2"), batch.flags,
    ]  # fmt: skip
    return b"".join([header, *(c.tobytes() for c in columns), topic, batch.names.packed().tobytes()])


def decode(value: bytes) -> Engagements:
    """Return the columns of a record.

    Raises:
        ValueError: not a record of this version. Only intake writes this topic, so that is a deployment fault, not input.
    """
    if len(value) < _HEADER.size or value[0] != VERSION:
        raise ValueError(f"not an engagements record of version {VERSION}: starts with {value[:4]!r}")
    _, topic_len, partition, n, m, base = _HEADER.unpack_from(value)
    position = _HEADER.size

    def take(dtype: str, count: int) -> NDArray[Any]:
        nonlocal position
        column: NDArray[Any] = np.frombuffer(value, dtype, count, position)
        position += column.nbytes
        return column

    at, lo, hi = take("<f8", n), take("<u8", m), take("<u8", m)
    e, target, actor = take("<u4", n), take("<u4", n), take("<u4", n)
    factors = (take("<f4", n), take("<f4", n), take("<f4", n), take("<f4", n), take("<f4", n))
    standing = take("<f4", n)
    lengths, flags = take("<u2", m), take("u1", n)
    topic = value[position : position + topic_len].decode()
    length = lengths.astype(np.int64)
    names = Texts(np.frombuffer(value, np.uint8, offset=position + topic_len), length.cumsum() - length, length)
    return Engagements(topic, partition, base, at, e, target, actor, *factors, standing, flags, lo, hi, names)
