"""What a row takes in Kafka once its topic is compacted, on the broker's disk.

The broker compacts at once here: small segments, no grace, so that minutes show what hours leave at work.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from benchmarks.run import Deadline, Figures, Run, say
from benchmarks.scaling import events
from benchmarks.scaling.drained import drained
from benchmarks.scaling.site import kept_bytes, row_topics, site, workers
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
    """Measure the rows of accounts with several events each."""
    accounts = QUICK_ACCOUNTS if run.is_quick else ACCOUNTS
    with site(PARTITIONS, BROKER, AT_ONCE) as at:
        with workers(at.settings, 1) as running:
            for number in range(ROUNDS):
                preload(at.settings, events.drawn(accounts, accounts, time.time(), seed=number))
                drained(at, running, accounts, LIMIT_S)
        say("waiting for the broker to compact")
        held = _compacted(at)
        for name, topic in row_topics(at.settings).items():
            written = sum(end_offsets(at.settings, topic).values())
            rows = _rows(at, topic, held[topic])
            yield {"name": "kafka_rows", "topic": name, "events": accounts * ROUNDS, "records_written": written, **rows}


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


def _rows(at: Servers, topic: str, held_bytes: int) -> Figures:
    """Return what the records of a topic are, and what one of a row takes on disk; what isn't a row begins with a zero byte."""
    keys: set[tuple[int, bytes]] = set()
    others: dict[tuple[int, bytes], int] = {}
    rows, row_bytes, other_bytes = 0, 0, 0
    for record in read_topic(at.settings, topic):
        key = record.key or b""
        size = len(key) + len(record.value or b"")
        if key.startswith(MARKER_KEY[:1]):
            others[record.partition, key] = size
            other_bytes += size
        else:
            keys.add((record.partition, key))
            rows, row_bytes = rows + 1, row_bytes + size
    disk_ratio = held_bytes / (row_bytes + other_bytes)
    return {
        "bytes": held_bytes,
        "rows": len(keys),
        "records_of_rows": rows,
        "bytes_per_record": row_bytes * disk_ratio / rows,
        "other_bytes": sum(others.values()) * disk_ratio,  # markers, and ids of events
    }
