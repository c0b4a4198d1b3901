"""Draining a backlog through the whole pipeline by one worker process.

From events in Kafka to scores in Redis, both tables durable. The clock starts when the worker sends the first engagements
(by that record's own timestamp; the events of that first round don't count) and stops when everything sent is seen to be
published, which the worker says every 250 ms. CPU is that of the worker, broker and Redis between these two moments. Not
measured: start, import and group join. `intake_`, `scorer_` and `publisher_cpu_us_per_event` are of `agents_cpu`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from agents.fetched import ROUND_EVENTS
from benchmarks import agents_cpu, logs
from benchmarks.logs import Log
from benchmarks.meter import Meter
from benchmarks.run import Deadline, Figures, Run, say
from benchmarks.servers import Servers, preload, servers
from streams.errors import CloutstreamError
from streams.kafka.topics import end_offsets, read_topic
from streams.reader import Reader
from streams.replay.waiting import Progress, wait_until_published
from streams.worker_process import worker_process

QUICK_EVENTS = 60_000
UNIFORM_EVENTS = 400_000
LIMIT_S = 180.0


def drain(run: Run) -> Iterator[Figures]:
    """Measure the Higgs events."""
    yield _measured("pipeline_drain", logs.higgs(QUICK_EVENTS if run.is_quick else None))


def uniform(run: Run) -> Iterator[Figures]:
    """Measure events that touch another account each."""
    yield _measured("pipeline_uniform", logs.uniform(QUICK_EVENTS if run.is_quick else UNIFORM_EVENTS))


def tags(run: Run) -> Iterator[Figures]:
    """Measure the Higgs events with two tags each: five entities touched by an event instead of one."""
    yield _measured("pipeline_tags", logs.tagged(logs.higgs(QUICK_EVENTS // 2 if run.is_quick else None)))


def _measured(name: str, log: Log) -> Figures:
    with servers() as at:
        say(f"sending {len(log)} events ({log.source})")
        preload(at.settings, log.blocks)
        figures = _drained(at, log)
    say("intake, scorer and publisher apart")
    return {"name": name, "log": log.source, "events": len(log), **figures, **agents_cpu.figures(log)}


def _drained(at: Servers, log: Log) -> Figures:
    """Start a worker on a full topic and return what it took to empty it."""
    settings, drained_s = at.settings, 0.0
    deadline = Deadline(LIMIT_S, "draining the backlog")
    with worker_process(settings) as worker:
        pids = {"worker": worker.pid, "broker": at.broker_pid, "redis": at.redis_pid}
        with Meter(pids) as meter:

            def look(progress: Progress) -> None:
                nonlocal drained_s
                worker.check()
                deadline.check()
                if progress.stage != "reading" and not drained_s:
                    drained_s = time.time()

            wait_until_published(settings, at.client, on_progress=look)
            published_s = time.time()
            time.sleep(0.1)  # one more sample after the end
        began_s = _began_s(at)
        records = {topic: sum(end_offsets(settings, topic).values()) for topic in _outputs(at)}
        outcomes = Reader(settings, at.client).stats().outcomes
    counted = outcomes["applied"] + outcomes["self"]
    if counted != len(log):
        raise CloutstreamError(f"{counted} of {len(log)} events were applied: {outcomes}; expected all, so there is no figure")
    events = len(log) - min(ROUND_EVENTS, len(log) // 2)
    cpu_us = {f"{name}_cpu_us_per_event": meter.cpu_s(name, began_s, published_s) / events * 1e6 for name in pids}
    return {
        "events_per_second": events / (published_s - began_s),
        "drained_events_per_second": events / (drained_s - began_s),
        **cpu_us,
        "worker_peak_rss_mb": meter.peak_rss_bytes["worker"] / 1e6,
        **{f"{topic.removeprefix(settings.app_id + '-').replace('-', '_')}_records": n for topic, n in records.items()},
    }


def _began_s(at: Servers) -> float:
    """Return when the worker sent its first engagements, epoch s."""
    topic, partitions = at.settings.engagements_topic, range(at.settings.partitions)
    return min(r.timestamp for p in partitions for r in read_topic(at.settings, topic, [p], {p: 1})) / 1000


def _outputs(at: Servers) -> list[str]:
    s = at.settings
    return [s.engagements_topic, s.scores_topic, s.actors_changelog, s.entities_changelog, s.dead_letters_topic]
