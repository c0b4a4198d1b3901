"""Bytes of memory per account, in a fresh process per kind, all in: row, index, names, engaged people.

`rss_bytes_per_row` is what the process grew by, `nbytes_per_row` what the table says it holds. Entities: accounts with 1
to 3 engaged people and with 4 to 32, evenly spread. Actors: rows with the 1 to 3 accounts that an actor lately engaged
with; the window of event ids for the duplicate check is per event, not per actor, and given apart. Not measured: buffers
of Kafka clients, and what a flush holds while it is under way.
"""

from __future__ import annotations

import ctypes
import gc
import json
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import psutil

from benchmarks.accounts import ROUND, engaged, named
from benchmarks.run import Figures, Run, say
from streams.intake.take import take
from streams.kafka.range import Range
from streams.settings import Settings
from streams.tables.actor_rows import ActorRows
from streams.tables.entity_rows import EntityRows

ROWS = {"entities_1_to_3": 1_000_000, "entities_4_to_32": 250_000, "actors": 1_000_000}
QUICK_ROWS, WARM_UP_ROWS = 20_000, 50_000
ACTORS, PEOPLE = "actors", "people_"  # kinds; `people_N` are entities with N engaged people each
_PEOPLE = {"entities_1_to_3": np.arange(1, 4), "entities_4_to_32": np.arange(4, 33)}
_LIMIT_S = 300.0
_BROKER_MS = 1_700_000_000_000


def measure(run: Run) -> Iterator[Figures]:
    """Measure each kind in a process of its own."""
    for kind, rows in ROWS.items():
        count = QUICK_ROWS if run.is_quick else rows
        say(f"{count} rows of {kind}")
        yield {"name": f"memory_{kind}", **measured(kind, count)}


def measured(kind: str, rows: int) -> Figures:
    """Measure one kind in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.memory", kind, str(rows)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=_LIMIT_S)
    found: Figures = json.loads(done.stdout)
    return found


def entities(kind: str, rows: int) -> Figures:
    """Fill an entities table and return what it takes."""
    settings = Settings()
    people = np.array([int(kind.removeprefix(PEOPLE))]) if kind.startswith(PEOPLE) else _PEOPLE[kind]
    # What a fold and a flush of usual size leave behind in interpreter and libraries, once, is no row's.
    engaged(EntityRows(settings), named(np.arange(WARM_UP_ROWS // max(1, int(people.mean()) // 16))), people, seed=1)
    accounts = named(np.arange(rows))
    before = _rss_bytes()
    table = EntityRows(settings)
    engaged(table, accounts, people, seed=2)
    grown = _rss_bytes() - before
    counts = table.people.count[table.live()]
    return {
        "rows": len(table),
        "rss_bytes_per_row": grown / len(table),
        "nbytes_per_row": table.nbytes / len(table),
        "people_per_row": float(counts.mean()),
    }


def actors(rows: int) -> Figures:
    """Fill an actors table and return what it takes."""
    settings = Settings(partitions=1)
    entity_rows = EntityRows(settings)  # read only
    _taken(ActorRows(), entity_rows, settings, WARM_UP_ROWS)
    before = _rss_bytes()
    table = ActorRows()
    events = _taken(table, entity_rows, settings, rows)
    grown = _rss_bytes() - before
    window = table.window_nbytes
    return {
        "rows": len(table),
        "rss_bytes_per_row": (grown - window) / len(table),
        "nbytes_per_row": (table.nbytes - window) / len(table),
        "id_window_bytes_per_event": window / events,
    }


def _taken(table: ActorRows, entity_rows: EntityRows, settings: Settings, rows: int) -> int:
    """Take events of `rows` actors, 1 to 3 each; return how many."""
    rng = np.random.default_rng(3)
    who = rng.permutation(np.repeat(np.arange(rows), rng.integers(1, 4, rows)))
    for first in range(0, len(who), ROUND):
        part = who[first : first + ROUND].tolist()
        values: list[bytes | None] = [
            b'{"id":"m%d","kind":"like","actor":"%d","author":"author-%d","at":%d}' % (i, actor, i, _BROKER_MS // 1000)
            for i, actor in enumerate(part, first)
        ]
        offsets = list(range(first, first + len(part)))
        content = Range("events", 0, offsets, [_BROKER_MS] * len(part), [None] * len(part), values, first)
        take([content], table, entity_rows, settings)
    return len(who)


def _rss_bytes() -> int:
    """Return what the process holds, without what it has freed and the allocator keeps for later."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc only
    if trim is not None:
        trim(0)
    return int(psutil.Process().memory_info().rss)


if __name__ == "__main__":
    print(json.dumps(actors(int(sys.argv[2])) if sys.argv[1] == ACTORS else entities(sys.argv[1], int(sys.argv[2]))))
