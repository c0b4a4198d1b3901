"""What Kafka holds: bytes per event and per row on the broker's disk, before compaction and after.

The broker compacts at once here: small segments, no grace, so that minutes show what hours leave at work.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from benchmarks.run import Deadline, Figures, Run, say
from benchmarks.scaling import events
from benchmarks.scaling.drained import drained
from benchmarks.scaling.site import kept_bytes, site, workers
from benchmarks.servers import Servers, preload
from streams.kafka.topics import end_offsets, read_topic
from streams.tables.marker import MARKER_KEY

ACCOUNTS, QUICK_ACCOUNTS = 100_000, 4_000
ROUNDS = 4  # of an event for each account, about, so that what is overwritten is in closed segments
PARTITIONS = 2  # few: more of each is in closed segments
LIMIT_S, STILL_S, LOOK_S = 240.0, 20.0, 2.0
SEGMENT_BYTES = 1 << 20  # the least that Kafka takes; the last one of each partition is never compacted
BROKER = {"log.cleaner.backoff.ms": "500", "log.cleaner.dedupe.buffer.size": str(64 << 20)}
AT_ONCE = {"segment.bytes": str(SEGMENT_BYTES), "min.compaction.lag.ms": "0", "min.cleanable.dirty.ratio": "0.01"}


def measure(run: Run) -> Iterator[Figures]:
    """Measure events evenly over accounts, several by each and for each."""
    accounts = QUICK_ACCOUNTS if run.is_quick else ACCOUNTS
    count = accounts * ROUNDS
    with site(PARTITIONS, BROKER, AT_ONCE) as at:
        s = at.settings
        with workers(s, 1) as running:
            for number in range(ROUNDS):
                preload(s, events.drawn(accounts, accounts, time.time(), seed=number))
                drained(at, running, accounts, LIMIT_S)
        written = _records(at)
        before = kept_bytes(s)
        say("waiting for the broker to compact")
        after = _compacted(at)
        yield {
            "name": "kafka_events",
            "events": count,
            "accounts": accounts,
            "input_bytes_per_event": before[s.topic_names[0]] / count,
            "engagements_bytes_per_event": before[s.engagements_topic] / count,
        }
        for name, topic in (("entities", s.entities_changelog), ("actors", s.actors_changelog), ("scores", s.scores_topic)):
            yield {"name": "kafka_rows", "topic": name, **_rows(at, topic), "records_written": written[topic],
                   "bytes_before": before[topic], "bytes_after": after[topic]}  # fmt: skip


def _records(at: Servers) -> dict[str, int]:
    s = at.settings
    return {topic: sum(end_offsets(s, topic).values()) for topic in (s.entities_changelog, s.actors_changelog, s.scores_topic)}


def _rows(at: Servers, topic: str) -> Figures:
    """Return how many keys a topic has and the bytes of the last record of each; what isn't a row begins with a zero byte."""
    last: dict[tuple[int, bytes], int] = {}
    records = 0
    for record in read_topic(at.settings, topic):
        key = record.key or b""
        last[record.partition, key] = len(key) + len(record.value or b"")
        records += 1
    rows = [size for (_, key), size in last.items() if not key.startswith(MARKER_KEY[:1])]
    other = sum(last.values()) - sum(rows)
    return {"rows": len(rows), "row_bytes": sum(rows) / len(rows), "other_bytes": other, "records_left": records}


def _compacted(at: Servers) -> dict[str, int]:
    """Return the bytes of each topic once none has changed for 20 s."""
    deadline = Deadline(LIMIT_S, "compaction")
    held, since_s = kept_bytes(at.settings), time.monotonic()
    while time.monotonic() - since_s < STILL_S:
        deadline.check()
        time.sleep(LOOK_S)
        found = kept_bytes(at.settings)
        if found != held:
            held, since_s = found, time.monotonic()
    return held
