"""Decayed distinct counting beyond 32 people: 256 registers in 8-bit logarithms of 1/8 octave.

Register k holds the minimum over all people of e(person, k)/w', where e is an exponential variate drawn from the hash of
(person, register) and w' = w * 2^(t/h), the person's weight carried forward in time. So a repeated engagement only refreshes,
order doesn't matter, two sketches merge by the minimum, and nothing is rewritten as time passes. The total weight is
estimated as (m - 1)/sum over all registers: unbiased, relative error 1/sqrt(m - 2) = 6.3 %.
Sources: Cohen 1997 (least-element lists), Lemiesz 2021, FastExpSketch (variates in ascending order).

A person's 256 variates are drawn in ascending order: the j-th smallest of m exponentials is the sum of Exp/(m - i) for i <= j,
and lands in a register that a permutation keyed by the person picks. So drawing stops as soon as a variate is above the
row's largest register; with more than a thousand people that is nearly always at once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

REGISTERS = 256
STEPS = (
    8  # per octave: 255 of them span 32 octaves. At 16 the smallest register pushes the others into saturation once in 100 rows
)
EMPTY = np.int32(2**30)
_SPAN = 255
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
# Mean of 2^(u/16) over a step: registers are rounded down, the estimate is of the middle.
_STEP_MEAN = (2 ** (1 / STEPS) - 1) * STEPS / np.log(2)
_POWERS = 2.0 ** (np.arange(_SPAN + 1) / STEPS)
# Few variates are enough for most people, so a big batch draws few at a time; a small one more, since each time costs 0.1 ms.
_VARIATES = 8192
_ROUNDING = 1e-6  # of a logarithm, and more: what is near a limit is looked at

Levels = NDArray[np.int32]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def _mixed(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return splitmix64's finaliser of each word."""
    x = x ^ (x >> np.uint64(30))
    x *= np.uint64(0xBF58476D1CE4E5B9)
    x ^= x >> np.uint64(27)
    x *= np.uint64(0x94D049BB133111EB)
    x ^= x >> np.uint64(31)
    return x


def _registers(person: NDArray[np.uint64], ranks: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return where each rank lands, shape (ranks, n): for each person a permutation of 0..255."""
    key = _mixed(person ^ np.uint64(0xD1B54A32D192ED03)).astype("<u8").view(np.uint8).reshape(-1, 8)
    byte = np.ascontiguousarray(key.T)
    odd = np.uint8(1)  # 8-bit arithmetic wraps at 256, which is what is wanted
    x: NDArray[np.uint8] = ranks.astype(np.uint8)[:, None] * (byte[0] | odd)
    x += byte[1]
    x ^= x >> 4
    x *= byte[2] | odd
    x += byte[3]
    x ^= x >> 3
    x *= byte[4] | odd
    x += byte[5]
    return x


def _increments(person: NDArray[np.uint64], ranks: NDArray[np.int64]) -> Floats:
    """Return the steps between ascending variates, shape (ranks, n): few ranks of many people are quickest side by side."""
    bits = _mixed(person + ((ranks.astype(np.uint64) + np.uint64(1)) * _GOLDEN)[:, None])
    bits >>= np.uint64(11)
    steps = bits.astype(np.float64)
    steps += 0.5
    steps *= 2.0**-53
    np.log(steps, out=steps)
    steps /= (ranks - REGISTERS)[:, None]
    return steps


def update(levels: tuple[Levels, Levels], row: Ints, person: NDArray[np.uint64], forward: tuple[Floats, Floats]) -> None:
    """Fold people into sketches, in place.

    Args:
        levels: two sets of registers (reach, network), each (rows, 256), absolute steps, EMPTY where nobody is.
        row: sketch of each engagement, shape (n,).
        person: 64-bit hash of who did it.
        forward: log2(weight) + at/h of each engagement for the two sets; -inf adds nobody.
    """
    carried, first = np.zeros(len(row)), 0
    while len(row) and first < REGISTERS:
        last = min(first + max(2, _VARIATES // len(row)), REGISTERS)
        ranks = np.arange(first, last)
        arrivals = _increments(person, ranks)
        arrivals[0] += carried  # before summing: the sum must not depend on how many are drawn at a time
        arrivals.cumsum(axis=0, out=arrivals)
        logs = np.log2(arrivals)
        # A variate that isn't below the largest level of its row lowers no register: most needn't be looked at any further.
        tops = [registers.max(axis=1)[row] / STEPS + weight for registers, weight in zip(levels, forward, strict=True)]
        low = logs < np.maximum(*tops) + _ROUNDING
        who = low.nonzero()[1]
        if not len(who):
            return
        place = row[who] * REGISTERS + _registers(person, ranks)[low]
        chosen = logs[low]
        for registers, weight in zip(levels, forward, strict=True):
            np.minimum.at(registers.reshape(-1), place, _steps(chosen, weight[who]))
        kept = low[-1].nonzero()[0]
        carried, row, person, first = arrivals[-1, kept], row[kept], person[kept], last
        forward = (forward[0][kept], forward[1][kept])


def _steps(logs: Floats, log_weight: Floats) -> Levels:
    """Return the levels of variates of people with these forward weights; EMPTY for weight 0."""
    steps = logs - log_weight
    steps *= STEPS
    np.floor(steps, out=steps)
    np.minimum(steps, float(EMPTY), out=steps)
    return steps.astype(np.int32)


def unpack(packed: NDArray[np.uint8], base: Levels) -> Levels:
    """Return absolute levels, shape (rows, 256), of stored registers and their bases."""
    levels = packed.astype(np.int32) + base[:, None]
    levels[base == EMPTY] = EMPTY
    return levels


def pack(levels: Levels) -> tuple[NDArray[np.uint8], Levels]:
    """Return registers as 8 bits above each row's smallest, and that smallest; 32 octaves above it they saturate."""
    base = levels.min(axis=1)
    return np.minimum(levels - base[:, None], _SPAN).astype(np.uint8), base


def estimate(packed: NDArray[np.uint8], base: Levels, at_s: Floats, half_life_s: float) -> Floats:
    """Return the decayed weight of all people at `at_s`, shape (rows,); 0 where nobody is."""
    total = _POWERS[packed].sum(axis=1) * _STEP_MEAN
    log2_estimate = np.log2((REGISTERS - 1) / total) - base / STEPS - at_s / half_life_s
    return np.where(base == EMPTY, 0.0, np.exp2(np.minimum(log2_estimate, 1000.0)))
