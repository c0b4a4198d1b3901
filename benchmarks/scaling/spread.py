"""Points that differ in how work is spread: over partitions and workers, and over accounts. They begin with empty tables."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from benchmarks import logs
from benchmarks.logs import Log
from benchmarks.run import Figures, Run, say
from benchmarks.scaling import events
from benchmarks.scaling.drained import drained
from benchmarks.scaling.site import site, workers
from benchmarks.scaling.steady import steady
from benchmarks.servers import preload
from streams.replay import events as recorded
from streams.replay.readers import Records
from streams.settings import Settings

EVENTS, QUICK_EVENTS = 300_000, 20_000
ACCOUNTS = 100_000
LIMIT_S = 300.0


@dataclass(frozen=True)
class Skew:
    """How authors are drawn: by Zipf's law with an exponent, and a part of all events for one author."""

    exponent: float = 0.0
    hot_ratio: float = 0.0


def partitions(run: Run, partitions: int, count: int) -> Iterator[Figures]:
    """Measure the Higgs events, and then a steady load, with so many partitions and workers."""
    log = logs.higgs(QUICK_EVENTS if run.is_quick else None)
    found = _measured(run, _until_now(log), len(log), partitions, count, loaded=True)
    yield {"name": "partitions", "log": log.source, **found}


def skew(run: Run, by: Skew, count: int) -> Iterator[Figures]:
    """Measure events over 100,000 accounts that authors have unequal parts of."""
    n = QUICK_EVENTS if run.is_quick else EVENTS
    blocks = events.drawn(n, ACCOUNTS, time.time(), exponent=by.exponent, hot_ratio=by.hot_ratio)
    found = _measured(run, blocks, n, Settings.partitions, count, loaded=False)
    yield {"name": "skew", "accounts": ACCOUNTS, "exponent": by.exponent, "hot_ratio": by.hot_ratio, **found}


def _until_now(log: Log) -> Iterator[Records]:
    """Yield the events with the last of them now: under a steady load of today, rows of long ago would expire."""
    newest_s = recorded.newest_time(log.blocks[-1].values) or 0.0
    shift_s = time.time() - newest_s
    for block in log.blocks:
        yield Records(*recorded.records(block.values, 0, shift_s))


def _measured(run: Run, blocks: Iterable[Records], n: int, partitions: int, count: int, *, loaded: bool) -> Figures:
    with site(partitions) as at:
        say(f"{n} events in {partitions} partitions for {count} workers")
        preload(at.settings, blocks)
        with workers(at.settings, count) as running:
            found = drained(at, running, n, LIMIT_S)
            late = steady(at, running, ACCOUNTS, run.is_quick) if loaded else {}
    return {"partitions": partitions, "workers": count, **found, **late}
