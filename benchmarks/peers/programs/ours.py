"""The common job with Cloutstream's own parts: fetched ranges, columns, a bulk changelog, one script call for many authors.

Recovery store: a changelog topic, from which the same Faust table recovers as in a worker. What the job doesn't ask for isn't
here either: no trust, no reach, no change events, no engagements topic; the check of an event is the pipeline's own, which is
stricter. Each event is counted exactly once (`benchmarks.peers.rows`), offsets are committed only behind what is durable.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import faust
import mode.loop
import msgspec
import numpy as np
import redis.asyncio as aredis
from faust.types import TP

from agents.app import RangeTopic, app_options
from agents.turns import Turns
from benchmarks.peers import job
from benchmarks.peers.rows import ROW, AuthorState, entries, fold, taken
from streams.columns.grouping import slices
from streams.events.decode import decode_events
from streams.fatal import fatal
from streams.kafka.bulk import BulkProducer
from streams.kafka.durable import DurableOffsets
from streams.kafka.gap import read_gap
from streams.kafka.range import Range
from streams.kafka.register import register_transport
from streams.settings import Settings
from streams.tables.changelog import Changelog
from streams.tables.faust_table import ColumnTable
from streams.tables.keyed import KeyedRows

ROUND_EVENTS = 4096
AUTHORS_PER_CALL = 200
HANDOVER_S, STILL_S = 4.0, 2.0
WRITE = """
for _, e in ipairs(cmsgpack.unpack(ARGV[3])) do
  redis.call("HSET", ARGV[1] .. e[1], "score", e[2], "slow", e[3], "fast", e[4], "at", e[5], "posts", e[6], "likes", e[7],
    "shares", e[8], "replies", e[9])
  if e[10] then
    redis.call("ZADD", ARGV[2], e[10], e[1])
  end
end
"""


class App(faust.App):
    """What the batched transport needs of an app, and the table."""

    def __init__(self, settings: Settings, rows: KeyedRows) -> None:
        self.settings, self.durable = settings, DurableOffsets()
        # What the transport asks of an app: whose offsets may be committed. Here all that is durable; handing over clears that.
        self.owned, self.handing_over = set(range(settings.partitions)), False
        self.stop_began_s = 0.0
        self.hand_over: Callable[[], Awaitable[None]]  # make durable what was folded
        self.bulk = BulkProducer(settings)
        super().__init__(settings.app_id, **app_options(settings))
        changelog = self.ranges(changelog_topic(settings.app_id), acks=False)
        self.authors: Any = self.tables.add(
            ColumnTable(
                self,
                new_state=partial(AuthorState, rows),
                name="authors",
                partitions=settings.partitions,
                changelog_topic=changelog,
            )
        )

    def ranges(self, name: str, acks: bool = True) -> RangeTopic:
        """Return a topic of fetched ranges."""
        return RangeTopic(
            self,
            topics=[name],
            partitions=self.settings.partitions,
            key_type=bytes,
            value_type=bytes,
            acks=acks,
            internal=not acks,
        )

    def on_committed(self) -> None:
        """Nobody is told of commits here; the transport calls it."""

    def on_fetched(self) -> None:
        """Nor of fetches."""

    async def on_first_start(self) -> None:
        """Connect the producer."""
        await self.bulk.start()

    async def on_stop(self) -> None:
        """Make durable what was folded, then let go."""
        self.stop_began_s = time.monotonic()
        await self.hand_over()
        await super().on_stop()
        await self.bulk.stop()


class Scorer:
    """Folds what comes, and writes what changed on a tick."""

    def __init__(self, app: App, rows: KeyedRows, redis_url: str) -> None:
        self._app, self._rows = app, rows
        self._client = aredis.Redis.from_url(redis_url)
        self._turns, self._flushing = Turns(), asyncio.Lock()
        self._topic = app.settings.topic_names[0]
        self._next: dict[int, int] = {}  # offset that comes next, by partition
        self._changelogs: dict[int, Changelog] = {}

    async def take(self, content: Range) -> None:
        """Fold a fetched range; where something before it is missing, have it fetched again from there."""
        consumer: Any = self._app.consumer
        tp = TP(content.topic, content.partition)
        expected = self._next.setdefault(content.partition, consumer.committed(tp))
        if content.start > expected:
            consumer.rewind(tp, expected)
            return
        for first in range(0, len(content), ROUND_EVENTS):
            part = content.part(first, min(first + ROUND_EVENTS, len(content)))
            async with self._turns:
                if content.partition not in self._app.authors.store.partitions:
                    return  # another worker's by now
                events, _ = decode_events(part.values)
                fold(self._rows, part.partition, events, np.array(part.offsets)[events.index])
                self._next[part.partition] = max(self._next[part.partition], part.offsets[-1] + 1)

    async def run(self, tick_s: float) -> None:
        """Flush on every tick, until the worker stops."""
        while not self._app.should_stop:
            started_s = time.monotonic()
            try:
                await self.flush()
            except asyncio.CancelledError:
                raise
            except BaseException as e:  # Faust would go on without this task
                fatal("writing what changed failed", e)
            await asyncio.sleep(max(0.001, tick_s - (time.monotonic() - started_s)))

    async def flush(self) -> None:
        """Make what was folded durable, write it to Redis, and allow its commit."""
        async with self._flushing:
            store = self._app.authors.store
            async with self._turns:
                upto = dict(self._next)
                rows = self._rows.touched(store.partitions)
                parts = slices(self._rows.part[rows])
                states = {p: store.partition(p) for p in parts}
                keys, values, changed = taken(self._rows, rows)
                items = entries([key.decode() for key in keys], changed)
            writes = [self._changelog(p).write(keys[part], values[part], states[p]) for p, part in parts.items()]
            await asyncio.gather(*writes, self._write(items))
            for p, offset in upto.items():
                self._app.durable.advance(TP(self._topic, p), offset)

    async def watch(self) -> None:
        """Have a partition that stands still fetched again where more is there: Faust drops ranges around a rebalance."""
        still: dict[int, int] = {}
        while True:
            await asyncio.sleep(STILL_S)
            consumer: Any = self._app.consumer
            for tp in [TP(self._topic, p) for p in self._app.authors.store.partitions]:
                expected = self._next.get(tp.partition, consumer.committed(tp))
                if consumer.known_end(tp) > expected == still.get(tp.partition):
                    consumer.resume_partitions({tp})
                    consumer.rewind(tp, expected)
                still[tp.partition] = expected

    async def hand_over(self) -> None:
        """Make durable what was folded, commit it, and forget where partitions go on: who has them next knows."""
        if not self._next:
            return
        try:
            await asyncio.wait_for(self._flush_and_commit(), HANDOVER_S)
        except TimeoutError as e:
            fatal(f"making rows durable before their partitions are handed over took longer than {HANDOVER_S:g} s", e)
        self._next.clear()
        self._app.durable.clear()

    async def _flush_and_commit(self) -> None:
        await self.flush()
        await self._app.consumer.commit()

    def _changelog(self, partition: int) -> Changelog:
        app = self._app
        if partition not in self._changelogs:
            topic = changelog_topic(app.settings.app_id)
            self._changelogs[partition] = Changelog(
                app.authors.store, topic, partition, app.bulk, partial(read_gap, app.settings)
            )
        return self._changelogs[partition]

    async def _write(self, items: list[Any]) -> None:
        async with self._client.pipeline(transaction=False) as pipe:
            for first in range(0, len(items), AUTHORS_PER_CALL):
                packed = msgspec.msgpack.encode(items[first : first + AUTHORS_PER_CALL])
                pipe.eval(WRITE, 0, job.SCORE, job.BOARD, packed)
            await pipe.execute()


def changelog_topic(group: str) -> str:
    """Return the name that Faust's rule gives the changelog."""
    return f"{group}-authors-changelog"


def create_app(at: job.Deployment) -> App:
    """Return the app."""
    settings = Settings(
        kafka=at.kafka, redis=at.redis, partitions=at.partitions, app_id=at.group, input_topics=at.topic, session_timeout_s=10.0
    )
    rows = KeyedRows(ROW)
    app = App(settings, rows)
    scorer = Scorer(app, rows, at.redis)
    app.hand_over = scorer.hand_over

    async def score(stream: Any) -> None:
        async for content in stream:  # content: Range of events
            try:
                await scorer.take(content)
            except asyncio.CancelledError:
                raise
            except BaseException as e:
                fatal(f"folding {content.topic}[{content.partition}]@{content.offsets[0]} failed", e)

    async def on_revoked(*_: Any, **__: Any) -> None:
        await scorer.hand_over()

    async def publish() -> None:
        await scorer.run(at.tick_s)

    app.agent(app.ranges(at.topic), name="scorer")(score)
    app.on_partitions_revoked.connect(on_revoked)
    app.task(publish)
    app.task(scorer.watch)
    return app


if __name__ == "__main__":
    mode.loop.use("uvloop")
    register_transport()
    worker = faust.Worker(create_app(job.Deployment.from_environ()), loglevel="WARNING", redirect_stdouts=False, quiet=True)
    worker.execute_from_commandline()
