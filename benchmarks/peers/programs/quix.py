"""The common job in Quix Streams: a stateful `apply`, and a batching sink of its own for Redis.

Recovery store: RocksDB on disk, with a changelog topic. Tuned by its own documentation:

- `commit_interval` is the tick: at a checkpoint state and changelog get the last value of each key, and sinks write.
- State is one value per key, read and written as bytes (`get_bytes`, `set_bytes`), encoded by msgspec.
- The sink is a `BatchingSink`, as its `RedisSink`, which can only SET; it keeps what it writes once per author.
- A record's value is taken as bytes: one that can't be deserialised would need an error callback.
"""

from __future__ import annotations

from typing import Any

import msgspec
import redis
from quixstreams import Application, State
from quixstreams.sinks import BatchingSink, SinkBatch

from benchmarks.peers import job

STATE = "state"
_encode, _decode = msgspec.msgpack.encode, msgspec.msgpack.Decoder(list[float | int]).decode


class Board(BatchingSink):
    """Writes scores and the board; a batch is what one partition had since the last checkpoint."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url

    def setup(self) -> None:
        """Connect."""
        self._client = redis.Redis.from_url(self._url)
        self._client.ping()

    def write(self, batch: SinkBatch) -> None:
        """Write the last state of each author in the batch."""
        newest = {item.key: item.value for item in batch}
        with self._client.pipeline(transaction=False) as pipe:
            for author, state in newest.items():
                job.write(pipe, author, state)
            pipe.execute()


def fold(event: job.Event, state: State) -> list[float]:
    """Return the author's state with the event; the record's key is the author."""
    before = state.get_bytes(STATE)
    after = job.folded(_decode(before) if before else None, event.kind, event.at)
    state.set_bytes(STATE, _encode(after))
    return after


def create_app(at: job.Deployment) -> Application:
    """Return the application with its dataframe."""
    app = Application(
        broker_address=at.kafka,
        consumer_group=at.group,
        auto_offset_reset="earliest",
        commit_interval=at.tick_s,
        state_dir=f"{at.folder}/{at.worker}",
        loglevel="WARNING",
        consumer_poll_timeout=min(at.tick_s, 1.0),  # how long a quiet topic may put off a checkpoint
    )
    topic = app.topic(at.topic, key_deserializer="str", value_deserializer="bytes")
    events: Any = app.dataframe(topic).apply(job.event_of).filter(lambda event: event is not None)
    events.apply(fold, stateful=True).sink(Board(at.redis))
    return app


if __name__ == "__main__":
    create_app(job.Deployment.from_environ()).run()
