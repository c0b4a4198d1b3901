"""The common job in Pathway: a JSON table from Kafka, a stateful reducer by author, a subscription that writes to Redis.

Recovery store: Pathway's persistence in a folder. Without a licence key that is its input, which a restart replays; the
persistence of operators needs a key (`PersistenceMode.OPERATOR_PERSISTING`). Tuned by its own documentation:

- `format="json"`: the records are parsed by the engine, not in Python; those that don't fit the schema become errors and are
  removed, for which `terminate_on_error` is off.
- `autocommit_duration_ms` is the tick: a minibatch is all that came since the last.
- `max_backlog_size`, advised wherever a source has a backlog; a full one is a minibatch at once.
- `stateful_many` folds all that a minibatch has for an author in one call.
- Redis in a pipeline per minibatch, by `on_time_end`.
"""

from __future__ import annotations

import functools
import operator
from typing import Any

import pathway as pw
import redis

from benchmarks.peers import job

BACKLOG_EVENTS = 20_000
SNAPSHOT_MS = 1_000


class Event(pw.Schema):
    """The fields that matter, and their types."""

    kind: str
    actor: str
    author: str
    at: float


@pw.reducers.stateful_many
def fold(state: job.State | None, rows: list[tuple[list[Any], int]]) -> tuple[float, ...]:
    """Return an author's state with the events of a minibatch: kind and time, and how many are alike."""
    for (kind, at), count in rows:
        for _ in range(count):
            state = job.folded(state, kind, at)
    assert state is not None
    return tuple(state)


class Board:
    """Writes scores and the board, the last state of each author once per minibatch."""

    def __init__(self, url: str) -> None:
        self._client = redis.Redis.from_url(url)
        self._changed: dict[str, job.State] = {}

    def on_change(self, key: Any, row: dict[str, Any], time: int, is_addition: bool) -> None:
        """Note a new state; the one before it is told as a removal."""
        if is_addition:
            self._changed[row["author"]] = row["state"]

    def on_time_end(self, time: int) -> None:
        """Write what changed."""
        with self._client.pipeline(transaction=False) as pipe:
            for author, state in self._changed.items():
                job.write(pipe, author, state)
            pipe.execute()
        self._changed.clear()


def create_table(at: job.Deployment) -> pw.Table:
    """Return the table of states by author."""
    events = pw.io.kafka.read(
        {"bootstrap.servers": at.kafka, "group.id": at.group, "auto.offset.reset": "earliest"},
        topic=at.topic,
        format="json",
        schema=Event,
        autocommit_duration_ms=int(at.tick_s * 1000),
        max_backlog_size=BACKLOG_EVENTS,
        name="events",
    )
    return states(events)


def states(events: pw.Table) -> pw.Table:
    """Return the state of each author of a table of events, of which some may be invalid."""
    is_kind = functools.reduce(operator.or_, [pw.this.kind == kind for kind in job.KINDS])
    valid = events.remove_errors().filter(is_kind & (pw.this.actor != "") & (pw.this.author != ""))
    return valid.groupby(pw.this.author).reduce(pw.this.author, state=fold(pw.this.kind, pw.this.at))


def main(at: job.Deployment) -> None:
    """Run until ended."""
    board = Board(at.redis)
    pw.io.subscribe(create_table(at), board.on_change, on_time_end=board.on_time_end)
    store = pw.persistence.Config(pw.persistence.Backend.filesystem(at.folder), snapshot_interval_ms=SNAPSHOT_MS)
    pw.run(persistence_config=store, monitoring_level=pw.MonitoringLevel.NONE, terminate_on_error=False)


if __name__ == "__main__":
    main(job.Deployment.from_environ())
