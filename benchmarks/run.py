"""What every benchmark is given and gives."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import psutil

from streams.errors import CloutstreamError

Figures = dict[str, Any]


@dataclass
class Run:
    """One run of some benchmarks.

    `is_quick` asks for a small part of the work: it shows that a benchmark runs, its figures mean little. `found` has the lines
    printed so far by name, for ratios.
    """

    is_quick: bool
    found: dict[str, Figures] = field(default_factory=dict)


Benchmark = Callable[[Run], Iterator[Figures]]


def machine() -> Figures:
    """Return what the figures depend on, and how busy it was before."""
    return {
        "name": "machine",
        "system": platform.platform(),
        "cpus": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "python": platform.python_version(),
        "load_1min": round(psutil.getloadavg()[0], 2),
    }


def say(text: str) -> None:
    """Tell a person what is going on."""
    print(f"benchmarks: {text}", file=sys.stderr, flush=True)


def rounded(figures: Figures) -> Figures:
    """Return figures with four significant digits."""
    return {k: float(f"{v:.4g}") if isinstance(v, float) else v for k, v in figures.items()}


class Deadline:
    """A bound on a wait, checked by whoever waits."""

    def __init__(self, limit_s: float, what: str) -> None:
        self._limit_s, self._what = limit_s, what
        self._end = time.monotonic() + limit_s

    def check(self) -> None:
        """Do nothing until the time is over.

        Raises:
            CloutstreamError: it is.
        """
        if time.monotonic() > self._end:
            raise CloutstreamError(f"{self._what} took longer than {self._limit_s:.0f} s; is the machine busy?")
