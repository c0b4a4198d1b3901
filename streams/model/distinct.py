"""How many different people, whatever they did and however often: HyperLogLog over 64-bit hashes.

A register holds the highest rank of the hashes that fall to it, so adding somebody again changes nothing, order doesn't matter,
and two sets join by the maximum: what is counted again after a crash is counted once. 4,096 registers give a standard error of
1.6 %.
"""

from __future__ import annotations

from math import log, sqrt

import numpy as np
from numpy.typing import NDArray

_BITS = 12
REGISTERS = 1 << _BITS
_RANKS = 64 - _BITS + 1  # the highest: all other bits of the hash are 0
STANDARD_ERROR = 1.04 / sqrt(REGISTERS)

Registers = NDArray[np.uint8]


def empty() -> Registers:
    """Return the registers of nobody, shape (REGISTERS,)."""
    return np.zeros(REGISTERS, dtype=np.uint8)


def add(registers: Registers, hashes: NDArray[np.uint64]) -> bool:
    """Add people by their hashes, shape (n,); return whether anything changed."""
    place = (hashes & np.uint64(REGISTERS - 1)).astype(np.int64)
    rest = (hashes >> np.uint64(_BITS)).astype(np.float64)  # 52 bits: exact
    rank = (_RANKS - np.frexp(rest)[1]).astype(np.uint8)
    if not (rank > registers[place]).any():
        return False
    np.maximum.at(registers, place, rank)
    return True


def estimate(registers: Registers) -> float:
    """Return about how many people were added: without bias from none up.

    Ertl, "New cardinality estimation algorithms for HyperLogLog sketches" (2017), arXiv:1702.01284, algorithm 6.
    """
    counts = np.bincount(registers, minlength=_RANKS + 1).tolist()
    z = REGISTERS * _tau(1 - counts[_RANKS] / REGISTERS)
    for count in counts[_RANKS - 1 : 0 : -1]:
        z = (z + count) / 2
    z += REGISTERS * _sigma(counts[0] / REGISTERS)
    return REGISTERS * REGISTERS / (2 * log(2) * z)


def _sigma(x: float) -> float:
    if x == 1.0:
        return float("inf")
    y, z, before = 1.0, x, -1.0
    while z != before:
        x *= x
        before = z
        z += x * y
        y += y
    return z


def _tau(x: float) -> float:
    if x in (0.0, 1.0):
        return 0.0
    y, z, before = 1.0, 1 - x, -1.0
    while z != before:
        x = sqrt(x)
        before = z
        y /= 2
        z -= (1 - x) ** 2 * y
    return z / 3
