"""How fast the same job runs written the ordinary way in Faust (`plain_faust_app`).

On a broker of the same kind, with the same events. Measured over a bounded time of steady work, from the first events
seen. `pipeline_ratio` is how many times faster `pipeline_drain` was, where that ran before in the same run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from benchmarks import logs
from benchmarks.child import Child, child
from benchmarks.meter import Meter
from benchmarks.pipeline import QUICK_EVENTS
from benchmarks.run import Deadline, Figures, Run, say
from benchmarks.servers import preload, servers

START_LIMIT_S, MEASURED_S, QUICK_MEASURED_S = 90.0, 20.0, 3.0


def measure(run: Run) -> Iterator[Figures]:
    """Measure events per second, and the ratio."""
    log = logs.higgs(QUICK_EVENTS if run.is_quick else None)
    with servers() as at:
        preload(at.settings, log)
        say("the ordinary way")
        with child("benchmarks.plain_faust_app", settings=at.settings) as worker, Meter({"worker": worker.pid}) as meter:
            events, seconds = _seen(worker, QUICK_MEASURED_S if run.is_quick else MEASURED_S, len(log))
    figures: Figures = {
        "name": "plain_faust",
        "log": log.source,
        "events_per_second": events / seconds,
        "seconds": seconds,
        "worker_peak_rss_mb": meter.peak_rss_bytes["worker"] / 1e6,
    }
    pipeline = run.found.get("pipeline_drain")
    if pipeline is not None:
        figures["pipeline_ratio"] = pipeline["events_per_second"] / figures["events_per_second"]
    yield figures


def _seen(worker: Child, measured_s: float, total: int) -> tuple[int, float]:
    """Return events and seconds from the first report with events until the time is over or the log is."""
    deadline = Deadline(START_LIMIT_S + measured_s, "the ordinary way")
    first, last = None, (0, 0.0)
    while first is None or (last[1] - first[1] < measured_s and last[0] < total):
        deadline.check()
        line = worker.line(START_LIMIT_S)
        if b"{" not in line:
            continue
        said = json.loads(line[line.index(b"{") :])  # Faust writes escapes to hide the cursor before it
        last = (said["seen"], said["at_s"])
        if first is None and last[0]:
            first = last
    return last[0] - first[0], last[1] - first[1]
