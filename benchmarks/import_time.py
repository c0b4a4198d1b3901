"""How long `import streams, agents` takes in a fresh interpreter, its own start included.

Byte code is compiled beforehand.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

from benchmarks.run import Figures, Run

REPETITIONS = 5
_LIMIT_S = 60.0


def measure(run: Run) -> Iterator[Figures]:
    """Measure the median of five."""
    _import_s()  # compiles
    taken = sorted(_import_s() for _ in range(1 if run.is_quick else REPETITIONS))
    yield {"name": "import_time", "import_s": statistics.median(taken), "slowest_s": taken[-1], "repetitions": len(taken)}


def _import_s() -> float:
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import streams, agents"], check=True, timeout=_LIMIT_S)
    return time.perf_counter() - begun
