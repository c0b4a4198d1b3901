"""Publisher: scores in, Redis out. Coalesce, then write absolute, versioned values: hashes, boards, change feed, history.

Redis away for any time only grows the set of entities to write; a wiped Redis is noticed by its missing epoch and filled
again from the tables, beside the boards that readers see, which change places when all partitions are done.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np
import redis
from faust.types import TP
from numpy.typing import NDArray

from agents.alerter import Alerter
from agents.definitions import Definitions
from agents.discretion import Discretion
from agents.host import Host
from agents.intake import Intake
from agents.pending import Pending, entries
from agents.scorer import Scorer
from streams.fatal import fatal
from streams.kafka.bulk import Acknowledged
from streams.kafka.range import Range
from streams.redis import published
from streams.redis.writer import LIVE, REBUILD, Writer
from streams.tables.flush import current_scores
from streams.tables.score_records import ScoreRecord, decode

_log = logging.getLogger("cloutstream")
NOTE_INTERVAL_S = 0.25
LONGEST_PAUSE_S = 2.0
LATENCY_WINDOW_S = 10.0
SLICE = 5000  # entities: 15 ms to make their entries, a tenth of a second of the server's time


class Publisher:
    """The publisher of all owned partitions."""

    def __init__(self, app: Host, intake: Intake, scorer: Scorer, alerter: Alerter) -> None:
        self.app, self._intake, self._scorer, self._alerter = app, intake, scorer, alerter
        self._pending: dict[int, Pending] = {}
        self._work = asyncio.Event()
        self._latency_s: deque[tuple[float, NDArray[np.float64]]] = deque(maxlen=1000)  # when written, how late each was
        self._noted_at = 0.0
        self._counted_rebuild = ""
        self._definitions = Definitions(app)
        self._discretion = Discretion(app, scorer)

    async def take(self, content: Range) -> None:
        """Coalesce a fetched range of a scores partition."""
        # What this worker has sent comes from its scorer as well, and needs no parsing then.
        async with self._scorer.telling[content.partition]:
            pass
        pending = self._pending.setdefault(content.partition, Pending())
        expected = self.next_offset(content.partition)
        if content.start > expected:
            self.app.consumer.rewind(TP(content.topic, content.partition), expected)
            return
        for offset, key, value in zip(content.offsets, content.keys, content.values, strict=True):
            if offset >= pending.next_offset:
                record = decode(value) if value else None
                self._put(content.partition, pending, key or b"", offset, record)
                self._discretion.have_written_again(content.partition, key or b"", record)
        pending.next_offset = max(pending.next_offset, content.offsets[-1] + 1)
        self._work.set()

    def offer(
        self, partition: int, acks: Sequence[Acknowledged], keys: Sequence[bytes], records: Sequence[ScoreRecord | None]
    ) -> None:
        """Take scores that this worker sent and the broker acknowledged, as far as nothing comes before them."""
        pending = self._pending.get(partition)
        if pending is None or partition not in self.app.owned:
            return
        at = 0
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
        self._discretion.look()
        for p in [p for p in self._pending if p not in self.app.owned]:
            del self._pending[p]
            self._discretion.let_go(p)
            self._alerter.forget(p)
        writer.signatures.keep(self.app.owned)
        await self._look_back(writer)
        if self.app.redis_is_outdated:
            await writer.outdate()
            self.app.redis_is_outdated = False
        # Side by side: while Redis works for one partition the next one's entries are made.
        outcomes = await asyncio.gather(*(self._write(writer, p) for p in sorted(self.app.owned)), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
        if REBUILD in outcomes:
            await self._rebuild(writer)
        await self._discretion.erase(writer)
        if self.app.clock.monotonic() - self._noted_at > NOTE_INTERVAL_S:
            self._noted_at = self.app.clock.monotonic()
            await self._note(writer)
        try:
            await asyncio.wait_for(self._work.wait(), NOTE_INTERVAL_S)
        except TimeoutError:
            if writer.token == LIVE and self.app.owned and not await writer.is_complete():
                await self._rebuild(writer)

    async def _look_back(self, writer: Writer) -> None:
        """Have Redis filled again where another release, or other settings, wrote what there is of a partition taken over."""
        for p in sorted(self.app.owned):
            if not writer.signatures.is_known(p) and not await writer.look(p):
                _log.warning("partition %d is in Redis as another release, or other settings, would have it", p)
                self.app.redis_is_outdated = True

    async def _write(self, writer: Writer, partition: int) -> str:
        """Write what waits of a partition; return the last outcome. What isn't written waits again."""
        pending = self._pending.get(partition)
        if pending is None:
            return LIVE
        if not pending.records:
            self._may_commit(partition, pending.written)  # written while the partition was handed over, and is owned again
            return LIVE
        if not self._discretion.may_write(partition):
            return LIVE
        upto = pending.next_offset
        records, done, outcome = pending.take(), 0, LIVE
        try:
            while done < len(records) and outcome != REBUILD:
                part = records[done : done + SLICE]
                async with self.app.turns:
                    items, times = entries(self._discretion.named_out(partition, part), self.app.clock.time())
                outcome = await writer.write(partition, items)
                if outcome != REBUILD:
                    done += len(part)
                    written_s = self.app.clock.time()
                    ages_s = written_s - np.array(times)
                    if len(ages_s):  # not of tombstones alone
                        self._latency_s.append((written_s, ages_s))
                        self.app.counters.ages.add(ages_s)
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

    async def _rebuild(self, writer: Writer) -> None:
        """Write all that the owned partitions hold beside the boards that readers see, then have them change places."""
        await writer.join_rebuild()
        token = writer.token
        if token not in (LIVE, self._counted_rebuild):  # one takes several calls where other workers take part
            self._counted_rebuild = token
            self.app.counters.redis_rebuilds += 1
        _log.info("filling Redis from the tables: its keyspace is incomplete")
        for p in sorted(self.app.owned):
            pending = self._pending.setdefault(p, Pending())
            if pending.rebuilt != token and not await self._refill(writer, p, token):
                return
        await self._definitions.tell(writer)
        await writer.finish(f"{self.app.clock.time():.3f}")

    async def _refill(self, writer: Writer, p: int, token: str) -> bool:
        """Write all that a partition holds; return whether that is done, whoever ended the rebuild."""
        state, table = self.app.entities.partition(p), self.app.entity_rows
        rows = table.live_of(p)
        for first in range(0, len(rows), SLICE):
            part = rows[first : first + SLICE]
            part = part[table.used[part] & (table.part[part] == p)]
            items = [published.entry(record, 0, self.app.clock.time()) for record in current_scores(table, part)]
            if await writer.write(p, items) == REBUILD:
                return False
            await asyncio.sleep(0)
        if p not in self.app.owned or self.app.entities.store.partitions.get(p) is not state:
            return False  # it was handed over: this may be a part of it, and its next owner writes all
        await writer.people(state.people.counts())
        if writer.token == token:  # else somebody else has ended it meanwhile, and all this is in place
            await writer.rebuilt(p, self.app.clock.time())
            self._pending.setdefault(p, Pending()).rebuilt = token
        return True

    async def _note(self, writer: Writer) -> None:
        since = self.app.clock.time() - LATENCY_WINDOW_S
        recent = [late for at, late in self._latency_s if at > since]
        p50, p99 = np.percentile(np.concatenate(recent), [50, 99]) * 1000 if recent else (0.0, 0.0)
        watermark = 0.0
        for p in sorted(self.app.owned):
            watermark = max(watermark, self.app.entity_rows.log(p).watermark)
            stats: dict[str, Any] = {
                **self._intake.shown.get(p, {}),
                "applied_engagements": self._scorer.durable_offset.get(p, 0),
                "updated_at": round(self.app.clock.time(), 3),
                "latency_p50_ms": round(float(p50), 1),
                "latency_p99_ms": round(float(p99), 1),
            }
            pending = self._pending.setdefault(p, Pending(written=self._committed(p)))
            if not await writer.note(p, stats, pending.written):
                _log.warning("somebody else wrote of partition %d, too: who had it before and didn't know, or has it now", p)
                self.app.redis_is_outdated = True
            people = self.app.entities.partition(p).people.counts()
            if people != pending.told_people:
                await writer.people(people)
                pending.told_people = people
        if watermark:
            await writer.clock(watermark)
        if self._definitions.is_due:
            await self._definitions.tell(writer)
        if writer.token != LIVE:
            await self._rebuild(writer)

    def pending_entities(self) -> int:
        """Return how many entities wait to be written."""
        return sum(len(pending.records) for pending in self._pending.values())

    def next_offset(self, partition: int) -> int:
        """Return the scores offset that comes next: after what waits, else what is committed, else the beginning."""
        pending = self._pending.get(partition)
        return (pending.next_offset if pending else 0) or self._committed(partition)

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
    scorer.publish = publisher.offer
    app.agent(app.ranges(app.settings.scores_topic), name="publisher")(scores)
    app.endless("publishing", publisher.run)
    return publisher
