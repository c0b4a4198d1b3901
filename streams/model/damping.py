"""Which factor damped an engagement most: what a statement tells beside "counted at 10 %"."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# Trust, budget, repeat and reciprocity as in `weighing`; late: it had faded by its age when it came.
DAMPERS = ("trust", "budget", "repeat", "reciprocity", "late")
_CODE_BITS = 3
_FINEST = 4095  # steps between 0 and 1

Damping = NDArray[np.uint16]


def strongest(factors: Sequence[NDArray[np.floating]]) -> Damping:
    """Return for each engagement the smallest of its factors, packed: of several the maximum is the most damped one's.

    Args:
        factors: a column for each of `DAMPERS`, each 0..1, shape (n,).

    >>> damper_of(int(strongest([np.array([1.0]), np.array([0.5]), np.array([0.25]), np.array([1.0]), np.array([0.9])])[0]))
    'repeat'
    """
    smallest = factors[0].astype(np.float64)
    code = np.zeros(len(smallest), dtype=np.uint16)
    for i, factor in enumerate(factors[1:], 1):
        smaller = factor < smallest
        code[smaller] = i
        np.minimum(smallest, factor, out=smallest)
    return (np.rint((1 - smallest) * _FINEST).astype(np.uint16) << np.uint16(_CODE_BITS)) | code


def damper_of(packed: int) -> str:
    """Return the name of the factor in a packed damping."""
    return DAMPERS[packed & (1 << _CODE_BITS) - 1]
