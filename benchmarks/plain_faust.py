"""How fast the common job (`benchmarks.peers`) runs written the ordinary way in Faust, on the embedded servers.

`pipeline_ratio` is how many times faster `pipeline_drain` was, where that ran before in the same run; that does more for an
event, and takes events keyed by actor. `make bench-peers` compares on Apache Kafka, and with others.
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.peers import drain
from benchmarks.peers.stage import Stage
from benchmarks.peers.systems import SYSTEMS
from benchmarks.run import Figures, Run, say
from benchmarks.servers import servers


def measure(run: Run) -> Iterator[Figures]:
    """Measure events per second, and the ratio."""
    with servers() as at:
        stage = Stage(at.settings, at.client, {"broker": at.broker_pid, "redis": at.redis_pid})
        say("the ordinary way")
        found = drain.measure(stage, SYSTEMS["faust"], drain.QUICK_EVENTS if run.is_quick else drain.LOGS_EVENTS[0], 1)
    figures: Figures = {
        "name": "plain_faust",
        "log": found["log"],
        "events_per_second": found["events_per_second"],
        "seconds": found["seconds"],
        "worker_peak_rss_mb": found["peak_rss_mb"],
    }
    pipeline = run.found.get("pipeline_drain")
    if pipeline is not None:
        figures["pipeline_ratio"] = pipeline["events_per_second"] / figures["events_per_second"]
    yield figures
