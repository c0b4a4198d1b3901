"""Emptying a backlog: how fast, and at what cost, by the positions that workers tell in Redis every 250 ms."""

from __future__ import annotations

import time

import psutil

from benchmarks.meter import Meter
from benchmarks.run import Deadline, Figures
from benchmarks.scaling.site import Workers
from benchmarks.servers import Servers
from streams.replay.waiting import Progress, wait_until_published

WARM_UP_RATIO = 0.1  # start, join and recovery are over by then


def drained(at: Servers, running: Workers, count: int, limit_s: float) -> Figures:
    """Wait until the last `count` events of the input are published, and return what that took.

    The clock starts when a tenth of them has been read, and stops when all are in Redis. What was read but not published when it
    started is not counted, so speeds are rather too low.

    Raises:
        CloutstreamError: a worker ended, or it took longer than `limit_s`.
    """
    deadline = Deadline(limit_s, f"draining {count} events")
    begun: tuple[float, int] | None = None
    read_s, started_s = 0.0, time.time()

    def look(progress: Progress) -> None:
        nonlocal begun, read_s
        running.check()
        deadline.check()
        now_s = time.time()
        done = count - (progress.total - progress.done)
        if progress.stage != "reading":
            read_s = read_s or now_s
        elif begun is None and WARM_UP_RATIO * count <= done < count:
            begun = now_s, done

    names = [*running.pids, "broker", "redis"]
    with Meter({**running.pids, "broker": at.broker_pid, "redis": at.redis_pid}) as meter:
        wait_until_published(at.settings, at.client, on_progress=look, idle_limit_s=limit_s)
        ended_s = time.time()
        time.sleep(0.1)  # one more sample after the end
    begun_s, first = begun or (started_s, 0)  # a short log may be read between two looks
    events = count - first
    cpu_s = {name: meter.cpu_s(name, begun_s, ended_s) for name in names}
    return {
        "events": count,
        "seconds": ended_s - begun_s,
        "events_per_second": events / (ended_s - begun_s),
        "read_events_per_second": events / max(read_s - begun_s, 1e-3),
        "worker_cpu_us_per_event": sum(cpu_s[name] for name in running.pids) / events * 1e6,
        "broker_cpu_us_per_event": cpu_s["broker"] / events * 1e6,
        "redis_cpu_us_per_event": cpu_s["redis"] / events * 1e6,
        "worker_cpu_ratios": [round(cpu_s[name] / (ended_s - begun_s), 2) for name in running.pids],
        "worker_rss_mb": sum(rss_bytes(pid) for pid in running.pids.values()) / 1e6,
        "worker_peak_rss_mb": sum(meter.peak_rss_bytes[name] for name in running.pids) / 1e6,
    }


def rss_bytes(pid: int) -> int:
    """Return what a process holds in memory now."""
    return int(psutil.Process(pid).memory_info().rss)
