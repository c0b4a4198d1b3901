"""How late a score is in Redis, at 20,000 events a second: from an event's send time to its account's hash being there.

Measured by probes from outside (`benchmarks.probes`), whose figures are the `probe_` ones; `reported_` ones are what the worker
says of all entities it writes (`cs:stats`, over 10 s: the median of its p50, the highest p99).
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks.child import Child, child
from benchmarks.meter import Meter
from benchmarks.probes import SETTLE_S, Prober
from benchmarks.run import Deadline, Figures, Run, say
from benchmarks.servers import Servers, servers
from streams.worker_process import WorkerProcess, worker_process

RATE_PER_S = 20_000
WARM_UP_S, MEASURED_S = 10, 30
QUICK_WARM_UP_S, QUICK_MEASURED_S, QUICK_EVENTS = 2, 4, 50_000
REPORT_WINDOW_S = 10.0
READY_S = 60.0


def measure(run: Run) -> Iterator[Figures]:
    """Measure p50 and p99 under a steady load."""
    warm_up_s, measured_s = (QUICK_WARM_UP_S, QUICK_MEASURED_S) if run.is_quick else (WARM_UP_S, MEASURED_S)
    load = [str(RATE_PER_S), str(warm_up_s + measured_s + 1), str(QUICK_EVENTS if run.is_quick else 0), "actor"]
    with servers(clock="wall") as at, worker_process(at.settings) as worker:
        _wait_ready(at, worker)
        with child("benchmarks.latency_load", *load, settings=at.settings) as loading:
            loading.line(READY_S)  # it sends from now on
            say(f"{RATE_PER_S} events a second, {warm_up_s} s to warm up, {measured_s} s measured")
            with Meter({"worker": worker.pid, "broker": at.broker_pid, "redis": at.redis_pid}) as meter:
                time.sleep(warm_up_s)
                begun_s = time.time()
                late_ms, reported = _probed(at, worker, measured_s)
                ended_s = time.time()
            sent = _sent(loading)
    cpus = {f"{name}_cpu_ratio": meter.cpu_s(name, begun_s, ended_s) / (ended_s - begun_s) for name in meter.peak_rss_bytes}
    p50_ms, p99_ms = np.percentile(late_ms, [50, 99])
    yield {
        "name": "latency",
        "events_per_second": sent["sent"] / sent["seconds"],
        "seconds": measured_s,
        "probe_p50_ms": float(p50_ms),
        "probe_p99_ms": float(p99_ms),
        "probe_max_ms": max(late_ms),
        "probes": len(late_ms),
        "reported_p50_ms": statistics.median(p50 for p50, _ in reported),
        "reported_p99_ms": max(p99 for _, p99 in reported),
        **cpus,
    }


def _wait_ready(at: Servers, worker: WorkerProcess) -> None:
    deadline = Deadline(READY_S, "starting a worker")
    prefix = at.settings.redis_prefix
    while at.client.exists(f"{prefix}stats:0", f"{prefix}epoch") != 2:
        worker.check()
        deadline.check()
        time.sleep(0.05)


def _probed(at: Servers, worker: WorkerProcess, seconds: float) -> tuple[list[float], list[tuple[float, float]]]:
    """Return how late each probe was, ms, and what the worker reported by itself meanwhile."""
    reported: list[tuple[float, float]] = []
    next_report_s = time.monotonic() + min(REPORT_WINDOW_S, seconds)

    def look() -> None:
        nonlocal next_report_s
        worker.check()
        if time.monotonic() >= next_report_s:
            reported.append(_reported(at))
            next_report_s += REPORT_WINDOW_S

    with Prober(at.settings, at.client, lambda name: f"{at.settings.redis_prefix}score:account:{name}") as prober:
        late_ms = prober.late_ms(seconds, look)
    return late_ms, [*reported, _reported(at)]


def _reported(at: Servers) -> tuple[float, float]:
    """Return p50 and p99 as the worker says."""
    stats: Any = at.client.hgetall(f"{at.settings.redis_prefix}stats:0")
    return float(stats[b"latency_p50_ms"]), float(stats[b"latency_p99_ms"])


def _sent(loading: Child) -> dict[str, float]:
    """Return what the load says it did; it ends a second after the last probe was sent."""
    sent: dict[str, float] = json.loads(loading.line(SETTLE_S))
    return sent
