"""Kafka's default placement of a key: murmur2, vectorised over a batch.

One account, one partition: intake sends an engagement to the partition of the account it scores, so an account's rows
as an actor and as an author live in the same worker. Source of the hash: `org.apache.kafka.common.utils.Utils.murmur2`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from streams.columns.grouping import where_true
from streams.columns.texts import Texts

_M = np.uint32(0x5BD1E995)
_SEED = np.uint32(0x9747B28C)
_TAIL = np.array([0, 0xFF, 0xFFFF, 0xFFFFFF], dtype=np.uint32)  # the bytes of a last word that are the key's


def murmur2(keys: Sequence[bytes]) -> NDArray[np.uint32]:
    """Return Kafka's murmur2 of each key, shape (n,).

    Keys are read as little-endian words at any byte, so the loop runs over words (a handful), not keys.
    """
    keys = Texts.of(keys)
    hashes = _SEED ^ keys.length.astype(np.uint32)
    data = np.concatenate([keys.data, np.zeros(4, dtype=np.uint8)])  # so that a last word can be read beyond the end
    words: NDArray[np.uint32] = np.ndarray(len(data) - 3, dtype="<u4", buffer=data.data, strides=(1,))
    whole, rest = np.divmod(keys.length, 4)
    with np.errstate(over="ignore"):
        for column in range(int(whole.max(initial=0))):
            live = where_true(whole > column)
            k = words[keys.start[live] + 4 * column] * _M
            k ^= k >> np.uint32(24)
            k *= _M
            hashes[live] = (hashes[live] * _M) ^ k
        tail = where_true(rest > 0)
        last = words[keys.start[tail] + 4 * whole[tail]] & _TAIL[rest[tail]]
        hashes[tail] = (hashes[tail] ^ last) * _M
        hashes ^= hashes >> np.uint32(13)
        hashes *= _M
        hashes ^= hashes >> np.uint32(15)
    return hashes


def partitions_of(keys: Sequence[bytes], partitions: int) -> NDArray[np.int64]:
    """Return the partition of each key, shape (n,), as Kafka's Java client and kafka-python place it."""
    return (murmur2(keys) & np.uint32(0x7FFFFFFF)).astype(np.int64) % partitions
