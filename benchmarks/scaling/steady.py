"""How late scores are in Redis under a steady load over many accounts, by probes from outside (`benchmarks.probes`)."""

from __future__ import annotations

import json
import time

import numpy as np

from benchmarks.child import child
from benchmarks.latency_load import check_kept_up
from benchmarks.probes import Prober
from benchmarks.run import Figures
from benchmarks.scaling.site import Workers
from benchmarks.servers import Servers

RATE_PER_S = 5_000  # less than any point drains
WARM_UP_S, MEASURED_S = 4, 12
QUICK_WARM_UP_S, QUICK_MEASURED_S = 1, 3
START_LIMIT_S = 120.0


def steady(at: Servers, running: Workers, accounts: int, is_quick: bool) -> Figures:
    """Load running workers with events spread evenly over accounts, and return how late probes were.

    Raises:
        CloutstreamError: a worker or the load ended, or probes didn't arrive.
    """
    warm_up_s, measured_s = (QUICK_WARM_UP_S, QUICK_MEASURED_S) if is_quick else (WARM_UP_S, MEASURED_S)
    load = [str(RATE_PER_S), str(warm_up_s + measured_s + 1), "0", "actor", str(accounts)]
    with child("benchmarks.latency_load", *load, settings=at.settings) as loading:
        loading.line(START_LIMIT_S)  # it sends from now on
        time.sleep(warm_up_s)
        with Prober(at.settings, at.client, lambda name: f"{at.settings.redis_prefix}score:account:{name}") as prober:
            late_ms = prober.late_ms(measured_s, running.check)
        sent = json.loads(loading.line(START_LIMIT_S))
        if not is_quick:
            check_kept_up(sent, RATE_PER_S)
    p50_ms, p99_ms = np.percentile(late_ms, [50, 99])
    return {
        "steady_events_per_second": sent["sent"] / sent["seconds"],
        "probes": len(late_ms),
        "p50_ms": float(p50_ms),
        "p99_ms": float(p99_ms),
    }
