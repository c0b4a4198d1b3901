"""How late a system's scores are in Redis under a steady load, by probes from outside (`benchmarks.probes`).

The load comes from a process of its own. In the end all that was sent must be in Redis, rightly, or nothing counts.
"""

from __future__ import annotations

import json
import time

import numpy as np

from benchmarks.child import child
from benchmarks.latency_load import check_kept_up
from benchmarks.peers.recount import Recount
from benchmarks.peers.stage import INPUT, Stage
from benchmarks.peers.systems import System
from benchmarks.probes import Prober
from benchmarks.run import Deadline, Figures
from streams.kafka.reading import read_topic

TICK_S = 0.1
WARM_UP_S = 10
QUICK_WARM_UP_S, QUICK_MEASURED_S, QUICK_PAIRS = 1, 3, 20_000
START_LIMIT_S, LOOK_S = 120.0, 0.02


def measure(stage: Stage, system: System, rate_per_s: int, measured_s: int, is_quick: bool = False) -> Figures:
    """Load one worker process of a system at that rate for so long, and return how late the probes were.

    Raises:
        CloutstreamError: it ended, didn't keep up, or what came out is wrong: then there is no figure.
    """
    warm_up_s, measured_s = (QUICK_WARM_UP_S, QUICK_MEASURED_S) if is_quick else (WARM_UP_S, measured_s)
    topic = stage.new_name("steady")
    stage.create(topic, INPUT)
    settings = stage.input(topic)
    load = [str(rate_per_s), str(warm_up_s + measured_s + 1), str(QUICK_PAIRS if is_quick else 0), system.keyed_by]
    with (
        stage.workers(system, topic, 1, TICK_S) as running,
        Prober(settings, stage.client, lambda name: system.score_key + name, system.keyed_by) as prober,
    ):
        deadline = Deadline(START_LIMIT_S, f"starting {system.name}")
        first = prober.send("first")
        while not prober.there([first]):
            running.check()
            deadline.check()
            time.sleep(LOOK_S)
        with child("benchmarks.latency_load", *load, settings=settings) as loading:
            loading.line(START_LIMIT_S)  # it sends from now on
            time.sleep(warm_up_s)
            begun_s = time.time()
            late_ms = prober.late_ms(measured_s, running.check)
            ended_s = time.time()
            sent = json.loads(loading.line(START_LIMIT_S))
        if not is_quick:
            check_kept_up(sent, rate_per_s)
        running.check_metered()
        recount = Recount(system.counts_oneself)
        recount.add(record.value or b"" for record in read_topic(settings, topic))
        stage.wait_right(system, recount.authors(), running)
    p50_ms, p99_ms = np.percentile(late_ms, [50, 99])
    return {
        "name": "steady",
        "system": system.name,
        "asked_per_second": rate_per_s,
        "events_per_second": sent["sent"] / sent["seconds"],
        "probes": len(late_ms),
        "p50_ms": float(p50_ms),
        "p99_ms": float(p99_ms),
        "cpu_ratio": running.cpu_s(begun_s, ended_s) / (ended_s - begun_s),
        "peak_rss_mb": running.peak_rss_mb(),
    }
