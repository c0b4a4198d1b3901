"""128-bit hashes of names: stable across processes, releases and machines, unlike `hash()`.

Two names that share all 128 bits would share a row; among 10^9 names the chance is 10^-21.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_128_digest

Hashes = NDArray[np.uint64]


def hash_names(names: Sequence[bytes]) -> tuple[Hashes, Hashes]:
    """Return the low and high 64 bits of the XXH3-128 of each name, shapes (n,) and (n,)."""
    words = np.frombuffer(b"".join(map(xxh3_128_digest, names)), dtype=">u8").reshape(-1, 2)
    return words[:, 1].astype(np.uint64), words[:, 0].astype(np.uint64)
