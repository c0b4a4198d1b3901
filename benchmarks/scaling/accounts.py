"""One point: a deployment that knows so many accounts. Everybody acts and is acted upon once; then the worker is started again.

What that shows: how fast rows come into being, what worker, Redis and Kafka hold, how long recovery takes, how fast a backlog
over all of them drains, and how late a steady load's scores are. One worker, the default number of partitions.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

from benchmarks.child import Child, child
from benchmarks.run import Figures, Run, say
from benchmarks.scaling import events, redis_memory
from benchmarks.scaling.drained import drained
from benchmarks.scaling.site import Workers, kept_bytes, site, workers
from benchmarks.scaling.steady import steady
from benchmarks.servers import Servers, preload
from streams.errors import CloutstreamError
from streams.kafka.topics import end_offsets
from streams.settings import Settings

COUNTS = (10_000, 100_000, 1_000_000, 5_000_000)
QUICK_RATIO = 100  # so many times fewer accounts
EVENTS, QUICK_EVENTS = 300_000, 10_000
LIMIT_S, START_LIMIT_S = 900.0, 300.0


def measure(run: Run, count: int) -> Iterator[Figures]:
    """Measure a deployment with `count` accounts."""
    accounts = max(1_000, count // QUICK_RATIO) if run.is_quick else count
    backlog = QUICK_EVENTS if run.is_quick else EVENTS
    with site(Settings.partitions) as at:
        empty_bytes = redis_memory.used_bytes(at.client)
        say(f"an event by each of {accounts} accounts")
        preload(at.settings, events.everybody(accounts, time.time()))
        with workers(at.settings, 1) as running:
            made = drained(at, running, accounts, LIMIT_S)
        yield {"name": "rows_made", "accounts": accounts, **made}
        yield {"name": "redis", "accounts": accounts, **redis_memory.figures(at.client, at.settings, accounts, empty_bytes)}
        yield {"name": "kafka_held", "accounts": accounts, "bytes": kept_bytes(at.settings)}
        preload(at.settings, events.drawn(backlog, accounts, time.time()))
        say(f"the same worker again, {backlog} events over all of them, and a steady load")
        with child("benchmarks.timed_worker", settings=at.settings) as worker:
            yield {"name": "recovery", "accounts": accounts, **_recovered(at, worker, accounts)}
            again = Workers({"worker-0": worker.pid}, worker.check)
            emptied = drained(at, again, backlog, LIMIT_S)
            late = steady(at, again, accounts, run.is_quick)
        yield {"name": "accounts", "accounts": accounts, **emptied, **late}


def _recovered(at: Servers, worker: Child, accounts: int) -> Figures:
    """Return how long the worker took to have its rows again, from the moment at which it knew its partitions."""
    joined, recovered = (_said(worker, what) for what in ("joined", "recovered"))
    if recovered["rows"] != accounts:
        raise CloutstreamError(f"{recovered['rows']} of {accounts} rows came back; expected all, so there is no figure")
    changelogs = (at.settings.entities_changelog, at.settings.actors_changelog)
    return {
        "rows": recovered["rows"] + recovered["actors"],
        "records": sum(sum(end_offsets(at.settings, topic).values()) for topic in changelogs),
        "seconds": recovered["at_s"] - joined["at_s"],
        "cpu_s": recovered["cpu_s"] - joined["cpu_s"],
    }


def _said(worker: Child, what: str) -> Figures:
    """Return the next line that says `what`."""
    while True:
        said: Figures = json.loads(worker.line(START_LIMIT_S))
        if said["what"] == what:
            return said
