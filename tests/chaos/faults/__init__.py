"""All faults, in the order of the table."""

from __future__ import annotations

from chaos.faults import redis_away, workers
from chaos.stage import Fault

# What the row is called, and what plays it.
FAULTS: dict[str, Fault] = {
    "worker kill -9 under load": workers.killed,
    "broker paused 300 ms around a commit, then kill -9": workers.killed_around_a_commit,
    "workers 2 -> 3 -> 1 -> 2 under load": workers.scaled,
    "rolling restart of three workers": workers.restarted_one_by_one,
    "worker stopped longer than its session, then continued": workers.stopped_and_continued,
    "Redis down": redis_away.down,
    "Redis wiped under load": redis_away.wiped,
    "Redis slow (+200 ms)": redis_away.slow,
    "Redis out of memory": redis_away.full,
    "Redis read-only": redis_away.read_only,
}
