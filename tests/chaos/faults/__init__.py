"""All faults, in the order of the table."""

from __future__ import annotations

from chaos.faults import brokers, endurance, inputs, redis_away, versions, workers
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
    "one of three brokers killed and restarted": brokers.one_of_three_killed,
    "broker paused 5 s and 30 s": brokers.paused,
    "broker paused 5 s and 30 s during recovery": brokers.paused_during_recovery,
    "changelog refuses every record": brokers.changelog_refused,
    "disk of the broker full": brokers.disk_full,
    "1 % poison of every kind": inputs.poisoned,
    "half of all traffic on one author; a million engagers": inputs.lopsided,
    "shuffled by a day, a fifth twice, clocks wrong": inputs.disordered,
    "the same log replayed from nothing": inputs.replayed,
    "rows written by the previous version": versions.upgraded,
    "an hour of steady load with accounts that come and go": endurance.an_hour,
}
