"""Publisher: scores in, Redis out. Coalesce, then write absolute, versioned values: hashes, boards, change feed, history.

Redis away for any time only grows the set of entities to write; a wiped one the `rebuilder` fills again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

import redis
from faust.types import TP

from agents.alerter import Alerter
from agents.definitions import Definitions
from agents.discretion import Discretion
from agents.host import Host
from agents.intake import Intake
from agents.noter import NOTE_INTERVAL_S, Noter
from agents.pending import SLICE, Pending, entries
from agents.rebuilder import Rebuilder
from agents.scorer import Scorer
from streams.fatal import fatal
from streams.kafka.bulk import Acknowledged
from streams.kafka.range import Range
from streams.redis.writer import LIVE, REBUILD, Writer
from streams.tables.score_records import ScoreRecord, decode

_log = logging.getLogger("cloutstream")
LONGEST_PAUSE_S = 2.0


class Publisher:
    """The publisher of all owned partitions."""

    def __init__(self, app: Host, intake: Intake, scorer: Scorer, alerter: Alerter) -> None:
        self.app, self._scorer, self._alerter = app, scorer, alerter
        self._pending: dict[int, Pending] = {}
        self._work = asyncio.Event()
        self._definitions = Definitions(app)
        self.discretion = Discretion(app, scorer)
        self._rebuilder = Rebuilder(app, self._definitions, self.discretion)
        self._noter = Noter(app, intake, scorer)

    async def take(self, content: Range) -> None:
        """Coalesce a fetched range of a scores partition."""
        # What this worker has sent comes from its scorer as well, and needs no parsing then.
        async with self._scorer.writer.telling[content.partition]:
            pass
        pending = self._pending_of(content.partition)
        expected = self.next_offset(content.partition)
        if content.start > expected:
            self.app.consumer.rewind(TP(content.topic, content.partition), expected)
            return
        for offset, key, value in zip(content.offsets, content.keys, content.values, strict=True):
            if offset >= pending.next_offset:
                self._put(content.partition, pending, key or b"", offset, decode(value) if value else None)
        pending.next_offset = max(pending.next_offset, content.offsets[-1] + 1)
        self._work.set()

    def offer(
        self, partition: int, acks: Sequence[Acknowledged], keys: Sequence[bytes], records: Sequence[ScoreRecord | None]
    ) -> None:
        """Take scores that this worker sent and the broker acknowledged, as far as nothing comes before them."""
        if partition not in self.app.owned:
            return
        pending, at = self._pending_of(partition), 0
        for ack in acks:
            if ack.base_offset == pending.next_offset:
                for i in range(ack.count):
                    self._put(partition, pending, keys[at + i], ack.base_offset + i, records[at + i])
                pending.next_offset += ack.count
                self._work.set()
            at += ack.count

    def _put(self, partition: int, pending: Pending, key: bytes, offset: int, record: ScoreRecord | None) -> None:
        pending.add(key, offset, record)
        if record is not None:
            self._alerter.take(partition, key, offset, record)

    async def run(self) -> None:
        """Write what is pending, for ever; pauses grow while Redis is away."""
        writer = self.app.new_writer()
        pause_s = 0.0
        try:
            while True:
                try:
                    await self._step(writer)
                    pause_s = 0.0
                    self.app.counters.redis_is_up = True
                except (redis.RedisError, OSError) as e:
                    if not pause_s:
                        _log.warning("Redis is away or refuses writes (%s): %d entities wait", e, self.pending_entities())
                    self.app.counters.redis_is_up = False
                    pause_s = min(LONGEST_PAUSE_S, pause_s * 2 + 0.1)
                    await asyncio.sleep(pause_s)
        finally:
            await writer.close()

    async def _step(self, writer: Writer) -> None:
        self._work.clear()
        self.discretion.look()
        for p in [p for p in self._pending if p not in self.app.owned]:
            del self._pending[p]
            self._alerter.forget(p)
        for known in (writer.signatures, self._rebuilder, self._noter):
            known.keep(self.app.owned)
        await self._rebuilder.look_back(writer)
        # Side by side: while Redis works for one partition the next one's entries are made.
        outcomes = await asyncio.gather(*(self._write(writer, p) for p in sorted(self.app.owned)), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
        if REBUILD in outcomes:
            await self._rebuilder.rebuild(writer)
        if self._noter.is_due:
            await self._noter.note(writer, self._written, self._shared)
            if self._definitions.is_due:
                await self._definitions.tell(writer)
            if writer.token != LIVE:
                await self._rebuilder.rebuild(writer)
        try:
            await asyncio.wait_for(self._work.wait(), NOTE_INTERVAL_S)
        except TimeoutError:
            if writer.token == LIVE and self.app.owned and not await writer.is_complete():
                await self._rebuilder.rebuild(writer)

    async def _write(self, writer: Writer, partition: int) -> str:
        """Write what waits of a partition; return the last outcome. What isn't written waits again."""
        pending = self._pending_of(partition)
        if not pending.records:
            self._may_commit(partition, pending.written)  # written while the partition was handed over, and is owned again
            return LIVE
        if not self.discretion.may_write:
            return LIVE
        upto = pending.next_offset
        records, done, outcome = pending.take(), 0, LIVE
        try:
            while done < len(records) and outcome != REBUILD:
                async with self.app.turns:
                    part = self.discretion.named_out(partition, records[done : done + SLICE])
                    records[done : done + SLICE] = part  # which waits, then, should Redis be away
                    items, times = entries(part, self.app.clock.time())
                    forgotten = self.app.control.forgotten.fingerprint
                outcome, refused = await writer.write(partition, items, forgotten)
                if outcome != REBUILD:
                    done += len(part)
                    self._noter.written(times)
                else:  # what was told must not wait again: it would be told once more, as one with what comes
                    records[done : done + SLICE] = [part[i] for i in refused]
        finally:
            for key, offset, record in records[done:]:
                pending.add(key, offset, record)
        if done == len(records):
            pending.written = upto
            self._may_commit(partition, upto)
        return outcome

    def _may_commit(self, partition: int, upto: int) -> None:
        """Allow the commit of what is written, as far as its alerts are, too."""
        if partition in self.app.owned:
            self.app.durable.advance(TP(self.app.settings.scores_topic, partition), self._alerter.done(partition, upto))

    def pending_entities(self) -> int:
        """Return how many entities wait to be written."""
        return sum(len(pending.records) for pending in self._pending.values())

    def next_offset(self, partition: int) -> int:
        """Return the scores offset that comes next: after what waits, else what is committed, else the beginning."""
        pending = self._pending.get(partition)
        return (pending.next_offset if pending else 0) or self._committed(partition)

    def _shared(self, partition: int) -> None:
        """Mend the boards that somebody else laid out from an older table, who has lost the partition."""
        self.app.redis_is_outdated = True

    def _pending_of(self, partition: int) -> Pending:
        return self._pending.setdefault(partition, Pending())

    def _written(self, partition: int) -> int:
        """Return the scores offset up to which Redis has what was told."""
        return self._pending_of(partition).written or self._committed(partition)

    def _committed(self, partition: int) -> int:
        tp = TP(self.app.settings.scores_topic, partition)
        return self.app.durable.get(tp, 0) or self.app.consumer.committed(tp)


def add_publisher(app: Host, intake: Intake, scorer: Scorer, alerter: Alerter) -> Publisher:
    """Add the publishing agent to an app."""
    publisher = Publisher(app, intake, scorer, alerter)

    async def scores(stream: Any) -> None:
        async for content in stream:  # content: Range of score records, keyed by entity
            try:
                await publisher.take(content)
            except Exception as e:  # a record of another version: Faust would go on without this agent
                fatal(f"reading {content.topic}[{content.partition}]@{content.offsets[0]} failed", e)

    intake.hand_on = scorer.offer
    scorer.writer.publish = publisher.offer
    app.agent(app.ranges(app.settings.scores_topic), name="publisher")(scores)
    app.endless("publishing", publisher.run)
    app.endless("taking forgotten accounts out of Redis", publisher.discretion.run)
    return publisher
