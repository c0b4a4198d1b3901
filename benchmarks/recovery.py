"""How long a worker takes from its group join until it works: with nothing to recover, and with a million entity rows.

The rows are made by folding engagements and flushing, as the scorer does: one to three engaged people each. `recovery_s`
ends when Faust says that the tables are recovered, `ready_s` when the worker shows itself in Redis for every partition
(which it does every 250 ms); both begin when the worker learns its partitions. Not measured: start, import and the join
itself, of which `join_s` is what it took here: the embedded broker waits for half the session timeout.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks.accounts import engaged, named
from benchmarks.child import Child, child
from benchmarks.run import Deadline, Figures, Run, say
from benchmarks.servers import Servers, servers
from streams.columns.placement import partitions_of
from streams.errors import CloutstreamError
from streams.kafka.bulk import BulkProducer
from streams.settings import Settings
from streams.tables.entity_rows import EntityRows
from streams.tables.flush import Flush, take_flush
from streams.tables.marker import MARKER_KEY, Marker

ROWS, QUICK_ROWS = 1_000_000, 40_000
LIMIT_S = 120.0


def measure(run: Run) -> Iterator[Figures]:
    """Measure an empty start, then a recovery."""
    with servers() as at:
        nothing = _started(at)
    rows = QUICK_ROWS if run.is_quick else ROWS
    with servers() as at:
        say(f"writing {rows} entity rows to the changelog")
        row_bytes = _fill(at.settings, rows)
        found = _started(at)
        if found["rows"] < rows:
            raise CloutstreamError(f"{found['rows']} of {rows} rows came back; expected all, so there is no figure")
    yield {
        "name": "recovery",
        "rows": rows,
        "row_bytes": row_bytes / rows,
        "recovery_s": found["recovery_s"],
        "ready_s": found["ready_s"],
        "rows_per_second": rows / found["recovery_s"],
        "recovery_cpu_s": found["cpu_s"],
        "ready_with_nothing_s": nothing["ready_s"],
        "join_s": nothing["join_s"],
    }


def _fill(settings: Settings, rows: int) -> int:
    """Write rows and markers to the entities changelog; return the bytes of keys and values."""
    numbers = np.arange(rows)
    placed = partitions_of([b"%d" % n for n in numbers.tolist()], settings.partitions)

    async def write(partition: int, flush: Flush, marker: Marker) -> None:
        producer = BulkProducer(settings)
        await producer.start()
        try:
            await producer.send(settings.entities_changelog, partition, flush.keys, flush.rows)
            await producer.send(settings.entities_changelog, partition, [MARKER_KEY], [marker.encode()])
        finally:
            await producer.stop()

    written = 0
    for p in range(settings.partitions):
        table = EntityRows(settings)
        engaged(table, named(numbers[placed == p]), np.array([1, 2, 3]), seed=p)
        table.dirty[table.live()] = True
        flush = take_flush(table)
        asyncio.run(write(p, flush, table.log()))
        written += sum(map(len, flush.keys)) + sum(map(len, flush.rows))
    return written


def _started(at: Servers) -> Figures:
    """Start a worker and return how long it took until it worked."""
    begun_s = time.time()
    with child("benchmarks.timed_worker", settings=at.settings) as worker:
        joined, recovered = _said(worker, "joined"), _said(worker, "recovered")
        deadline = Deadline(LIMIT_S, "showing statistics in Redis")
        keys = [f"{at.settings.redis_prefix}stats:{p}" for p in range(at.settings.partitions)]
        while at.client.exists(*keys) != len(keys):
            deadline.check()
            time.sleep(0.01)
        ready_s = time.time()
    return {
        "rows": recovered["rows"],
        "join_s": joined["at_s"] - begun_s,
        "recovery_s": recovered["at_s"] - joined["at_s"],
        "cpu_s": recovered["cpu_s"] - joined["cpu_s"],
        "ready_s": ready_s - joined["at_s"],
    }


def _said(worker: Child, what: str) -> dict[str, Any]:
    """Return the next line that says `what`."""
    deadline = Deadline(LIMIT_S, f"waiting for a worker that has {what}")
    while True:
        said: dict[str, Any] = json.loads(worker.line(LIMIT_S))
        if said["what"] == what:
            return said
        deadline.check()
