"""Kafka's default placement of a key: murmur2, vectorised over a batch.

One account, one partition: intake sends an engagement to the partition of the account it scores, so an account's rows
as an actor and as an author live in the same worker. Source of the hash: `org.apache.kafka.common.utils.Utils.murmur2`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_M = np.uint32(0x5BD1E995)
_SEED = np.uint32(0x9747B28C)


def murmur2(keys: Sequence[bytes]) -> NDArray[np.uint32]:
    """Return Kafka's murmur2 of each key, shape (n,).

    Keys of one batch are laid out as rows of little-endian words, so the loop runs over words (a handful), not keys.
    """
    n = len(keys)
    lengths = np.fromiter(map(len, keys), dtype=np.int64, count=n)
    hashes = _SEED ^ lengths.astype(np.uint32)
    if n == 0:
        return hashes
    width = (int(lengths.max()) + 4) // 4 * 4  # at least one byte of padding, so that the tail can be read as a word
    padded = np.zeros((n, width), dtype=np.uint8)
    padded[np.arange(width) < lengths[:, None]] = np.frombuffer(b"".join(keys), dtype=np.uint8)
    words = padded.view("<u4")
    whole = lengths // 4
    with np.errstate(over="ignore"):
        for column in range(width // 4):
            live = np.flatnonzero(whole > column) if column >= int(whole.min()) else slice(None)
            k = words[live, column] * _M
            k ^= k >> np.uint32(24)
            k *= _M
            hashes[live] = (hashes[live] * _M) ^ k
        tail = np.flatnonzero(lengths % 4)
        hashes[tail] = (hashes[tail] ^ words[tail, whole[tail]]) * _M
        hashes ^= hashes >> np.uint32(13)
        hashes *= _M
        hashes ^= hashes >> np.uint32(15)
    return hashes


def partitions_of(keys: Sequence[bytes], partitions: int) -> NDArray[np.int64]:
    """Return the partition of each key, shape (n,), as Kafka's Java client and kafka-python place it."""
    return (murmur2(keys) & np.uint32(0x7FFFFFFF)).astype(np.int64) % partitions
