"""The common job in Bytewax: `kop.input`, `flat_map_batch`, `stateful_batch`, and a sink of its own for Redis.

Recovery store: Bytewax's own, SQLite files with a snapshot of every key that changed, and of the Kafka offsets (`bytewax.run
-r FOLDER -s 1 -b 0`, a snapshot each second); it has no changelog topic. Tuned by its own documentation:

- Batch operators: `flat_map_batch` decodes a batch in one call from the engine, `stateful_batch` folds all that a batch has for a
  key at once and emits one state.
- `batch_size` above its 1,000 ("can be tuned lower to decrease latency"): a poll takes what is there and waits a millisecond.
- The sink writes a pipeline per batch, and each author in it once.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import bytewax.operators as op
import redis
from bytewax.connectors.kafka import operators as kop
from bytewax.dataflow import Dataflow
from bytewax.operators import StatefulBatchLogic
from bytewax.outputs import DynamicSink, StatelessSinkPartition

from benchmarks.peers import job

BATCH_SIZE = 10_000
Item = tuple[str, job.State]


class Author(StatefulBatchLogic[job.Event, job.State, job.State]):
    """One author's state."""

    def __init__(self, state: job.State | None) -> None:
        self._state = state

    def on_batch(self, values: list[job.Event]) -> tuple[Iterable[job.State], bool]:
        """Fold events; emit the state once, and keep it."""
        state = self._state
        for event in values:
            state = job.folded(state, event.kind, event.at)
        assert state is not None
        self._state = state
        return [state], StatefulBatchLogic.RETAIN

    def snapshot(self) -> job.State:
        """Return the state, which is never changed in place."""
        assert self._state is not None
        return self._state


class Connection(StatelessSinkPartition[Item]):
    """One worker's connection."""

    def __init__(self, url: str) -> None:
        self._client = redis.Redis.from_url(url)

    def write_batch(self, items: list[Item]) -> None:
        """Write the last state of each author in the batch."""
        with self._client.pipeline(transaction=False) as pipe:
            for author, state in dict(items).items():
                job.write(pipe, author, state)
            pipe.execute()


class Board(DynamicSink[Item]):
    """Scores and the board in Redis."""

    def __init__(self, url: str) -> None:
        self._url = url

    def build(self, step_id: str, worker_index: int, worker_count: int) -> Connection:
        """Return a worker's connection."""
        return Connection(self._url)


def decode(messages: list[Any]) -> Iterable[tuple[str, job.Event]]:
    """Return the valid events of a batch, keyed by author."""
    events = map(job.event_of, [message.value for message in messages])
    return [(event.author, event) for event in events if event is not None]


def create_flow(at: job.Deployment) -> Dataflow:
    """Return the dataflow."""
    flow = Dataflow("scores")
    messages = kop.input("messages", flow, brokers=[at.kafka], topics=[at.topic], batch_size=BATCH_SIZE)
    events = op.flat_map_batch("decode", messages.oks, decode)
    scores = op.stateful_batch("fold", events, Author)
    op.output("write", scores, Board(at.redis))
    return flow


def get_flow() -> Dataflow:
    """Return the dataflow of this process's deployment, for `python -m bytewax.run`."""
    return create_flow(job.Deployment.from_environ())
