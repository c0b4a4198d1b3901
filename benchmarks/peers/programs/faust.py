"""The common job in Faust as its user guide writes it: an agent, one event a message, a table, a timer.

Recovery store: the table's changelog topic. Tuned by Faust's own advice:

- uvloop as the event loop (`faust worker -L uvloop`), `cython_optimizations`.
- The memory store: the fastest it has; what is durable is the changelog.
- One table instead of three, since each write to one is a record in its changelog.
- No standby replicas and no leader topic, which nothing here reads.
- Redis in a pipeline on a timer, not an await per event. `Stream.take` would batch events, but tables can't be written from it.
- Values are taken as bytes: a record that Faust can't decode would end the agent.
"""

from __future__ import annotations

import faust
import mode.loop
import redis.asyncio as aredis

from benchmarks.peers import job

WRITES_PER_CALL = 5_000


def create_app(at: job.Deployment) -> faust.App:
    """Return the app."""
    app = faust.App(
        at.group,
        broker=f"kafka://{at.kafka}",
        topic_partitions=at.partitions,
        topic_disable_leader=True,
        table_standby_replicas=0,
        consumer_auto_offset_reset="earliest",
        cython_optimizations=True,
        datadir=f"{at.folder}/{at.worker}",
        web_enabled=False,
        broker_session_timeout=10.0,  # of 60 s: the first join waits for less
        broker_heartbeat_interval=2.5,
    )
    events = app.topic(at.topic, key_type=bytes, value_type=bytes, value_serializer="raw")
    authors = app.Table("authors", default=list)
    client = aredis.Redis.from_url(at.redis)
    changed: dict[str, job.State] = {}

    @app.agent(events)
    async def score(stream: faust.StreamT[bytes]) -> None:
        async for value in stream:
            event = job.event_of(value)
            if event is not None:
                state = job.folded(authors[event.author], event.kind, event.at)
                authors[event.author] = changed[event.author] = state

    @app.timer(interval=at.tick_s)
    async def publish() -> None:
        taken = list(changed.items())
        changed.clear()
        for first in range(0, len(taken), WRITES_PER_CALL):
            async with client.pipeline(transaction=False) as pipe:
                for author, state in taken[first : first + WRITES_PER_CALL]:
                    job.write(pipe, author, state)
                await pipe.execute()

    return app


if __name__ == "__main__":
    mode.loop.use("uvloop")
    worker = faust.Worker(create_app(job.Deployment.from_environ()), loglevel="WARNING", redirect_stdouts=False, quiet=True)
    worker.execute_from_commandline()
