"""CPU and memory of processes over time, sampled from outside."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

import numpy as np
import psutil

_INTERVAL_S = 0.05  # the kernel counts CPU in steps of 10 ms


class Meter:
    """Samples processes until its block ends; times are epoch seconds, since they are compared with those of Kafka records."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._processes = {name: psutil.Process(pid) for name, pid in pids.items()}
        self._at_s: list[float] = []
        self._cpu_s: dict[str, list[float]] = {name: [] for name in pids}
        self.peak_rss_bytes = dict.fromkeys(pids, 0)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(_INTERVAL_S):
            with contextlib.suppress(psutil.NoSuchProcess):
                taken = {name: (sum(p.cpu_times()[:2]), p.memory_info().rss) for name, p in self._processes.items()}
                for name, (cpu_s, rss_bytes) in taken.items():
                    self._cpu_s[name].append(cpu_s)
                    self.peak_rss_bytes[name] = max(self.peak_rss_bytes[name], rss_bytes)
                self._at_s.append(time.time())

    def cpu_s(self, name: str, since_s: float, until_s: float) -> float:
        """Return the CPU seconds a process used between two moments."""
        count = len(self._at_s)  # the last to be written, so the columns have at least as many
        begin, end = np.interp([since_s, until_s], self._at_s[:count], self._cpu_s[name][:count])
        return float(end - begin)
