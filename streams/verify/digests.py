"""Whether engagements say of each event what the input says: who did what, and when, told apart without keeping either.

Each event gives 64 bits of its offset, actor, kind and time. Their sum over 1,024 offsets doesn't depend on the order in which
they are added, so what intake wrote to all partitions can be compared with what it read.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

EVENTS = 1024  # offsets that share a sum
Source = tuple[str, int]  # input topic and partition
_BUFFERED = 10_000
_ODD = np.array([0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB], dtype=np.uint64)


@lru_cache(200_000)
def hash_of(entity: bytes) -> int:
    """Return 64 bits of an entity's name; another function than tables use."""
    return int.from_bytes(hashlib.blake2b(entity, digest_size=8).digest(), "little")


class Digests:
    """Sums by input partition and 1,024 offsets."""

    def __init__(self) -> None:
        self._sums: defaultdict[Source, dict[int, int]] = defaultdict(dict)
        self._waiting: defaultdict[Source, list[tuple[int, int, int, float, int]]] = defaultdict(list)

    def add(self, source: Source, offset: int, actor: int, flags: int, at: float, times: int) -> None:
        """Add one event that `times` entities count: with the hash of its actor, its kind and undo bit, and its clamped time."""
        waiting = self._waiting[source]
        waiting.append((offset, actor, flags, at, times))
        if len(waiting) == _BUFFERED:
            self._add_waiting(source)

    def add_all(
        self, source: Source, offsets: NDArray[np.int64], actors: NDArray[np.uint64], flags: NDArray[np.uint8],
        at: NDArray[np.float64], times: NDArray[np.uint64] | None = None,
    ) -> None:  # fmt: skip
        """Add events, shape (n,); each once where `times` is left out."""
        if not len(offsets):
            return
        mixed = actors ^ (offsets.astype(np.uint64) * _ODD[0]) ^ (np.ascontiguousarray(at, np.float64).view(np.uint64) * _ODD[1])
        mixed ^= flags.astype(np.uint64) * _ODD[2]
        for shift, odd in ((30, _ODD[1]), (27, _ODD[2])):  # the finish of splitmix64: so that no two errors cancel
            mixed = (mixed ^ (mixed >> np.uint64(shift))) * odd
        mixed ^= mixed >> np.uint64(31)
        numbers, place = np.unique(offsets // EVENTS, return_inverse=True)
        found = np.zeros(len(numbers), dtype=np.uint64)
        np.add.at(found, place, mixed if times is None else mixed * times)
        sums = self._sums[source]
        for number, more in zip(numbers.tolist(), found.tolist(), strict=True):
            sums[number] = (sums.get(number, 0) + more) & 0xFFFFFFFFFFFFFFFF

    def merge(self, other: Digests) -> None:
        """Add what another holds."""
        for source, sums in other._all().items():
            mine = self._sums[source]
            for number, more in sums.items():
                mine[number] = (mine.get(number, 0) + more) & 0xFFFFFFFFFFFFFFFF

    def compare(self, found: Digests) -> Iterator[tuple[str, bool]]:
        """Yield every stretch of input that either has, by its name, and whether both sums are the same."""
        expected, other = self._all(), found._all()
        for topic, partition in sorted(expected.keys() | other.keys()):
            mine, theirs = expected.get((topic, partition), {}), other.get((topic, partition), {})
            for number in sorted(mine.keys() | theirs.keys()):
                name = f"{topic}[{partition}]@{number * EVENTS}..{(number + 1) * EVENTS - 1}"
                yield name, mine.get(number, 0) == theirs.get(number, 0)

    def _all(self) -> dict[Source, dict[int, int]]:
        for source in list(self._waiting):
            self._add_waiting(source)
        return self._sums

    def _add_waiting(self, source: Source) -> None:
        waiting = self._waiting.pop(source)
        offsets, actors, flags, at, times = zip(*waiting, strict=True)
        self.add_all(
            source, np.array(offsets, dtype=np.int64), np.array(actors, dtype=np.uint64), np.array(flags, dtype=np.uint8),
            np.array(at, dtype=np.float64), np.array(times, dtype=np.uint64),
        )  # fmt: skip
