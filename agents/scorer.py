"""Scorer: engagements in, scores out. Fold into decaying counters, score, decide what changed.

A flush writes rows and scores, then the marker; only then may the engagements be committed, at most to what the marker says
(`design.md` 3.5).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, cast

from faust.types import TP

from agents.app import CloutstreamApp
from streams.events.engagements import Engagements, decode
from streams.fatal import fatal
from streams.kafka.bulk import Acknowledged
from streams.kafka.range import Range
from streams.tables.changelog import Changelog
from streams.tables.entity_codec import MARKER_KEY
from streams.tables.flush import Flush, flush_parts
from streams.tables.score_records import ScoreRecord

Publish = Callable[[int, Sequence[Acknowledged], Sequence[bytes], Sequence[ScoreRecord | None]], None]
FOLD_ENGAGEMENTS = 8192  # about 30 ms of work: others must get their turn
MARKER_INTERVAL_S = 0.25  # how far a crash sets back; rows and scores don't wait for it
EXPIRY_SLICE = 2_000  # rows looked at per flush: a million take 20 s, spread over 500 flushes


class Scorer:
    """The scorer of all owned partitions.

    Records come from Kafka, or straight from this worker's intake once the broker has acknowledged them where the next one is
    expected: the same records at the same offsets, a fetch earlier.
    """

    def __init__(self, app: CloutstreamApp) -> None:
        self.app = app
        self.publish: Publish = lambda *_: None  # told of scores that the broker has
        self._changelogs: dict[int, Changelog] = {}
        self._marked_at_s: dict[int, float] = {}
        self.durable_offset: dict[int, int] = {}  # next engagements offset whose effects are durable, for Redis

    async def take(self, content: Range) -> None:
        """Take a fetched range of an engagements partition; it is folded at the next flush, or when much waits."""
        state = self.app.entities.partition(content.partition)
        if content.start > state.next_offset:
            cast(Any, self.app.consumer).rewind(TP(content.topic, content.partition), state.next_offset)
            return
        for offset, value in zip(content.offsets, content.values, strict=True):
            if offset < state.next_offset:
                continue
            state.put(offset, decode(value or b""))
            if state.waiting_engagements >= FOLD_ENGAGEMENTS:
                async with self.app.turns:
                    state.fold()

    def offer(self, partition: int, offset: int, record: Engagements) -> None:
        """Take a record that this worker sent and the broker acknowledged at `offset`, if nothing comes before it."""
        if partition in self.app.owned:
            state = self.app.entities.partition(partition)
            if offset == state.next_offset:
                state.put(offset, record)

    async def flush(self, partition: int, now_s: float) -> None:
        """Fold what waits, make its rows durable and their scores public; now and then write the marker and allow the commit.

        Args:
            partition: an owned one.
            now_s: any steady clock, s.
        """
        state, settings = self.app.entities.partition(partition), self.app.settings
        table = state.table
        parts = flush_parts(table)
        async with self.app.turns:
            state.fold()
            flush = next(parts)
            oldest_s = table.watermark - settings.expire_after_s
            gone = table.expired(EXPIRY_SLICE, lambda rows: rows["at"] < oldest_s)
        marker = flush.marker
        sending = asyncio.create_task(self._send(partition, flush, gone))
        while True:
            async with self.app.turns:
                part = next(parts, None)
            await sending
            if part is None:
                break
            sending = asyncio.create_task(self._send(partition, part))
        upto = marker.folded + 1
        due = self.app.handing_over or now_s - self._marked_at_s.get(partition, -1e9) >= MARKER_INTERVAL_S
        if due and upto != self.durable_offset.get(partition):
            self._marked_at_s[partition] = now_s
            await self._changelog(partition).write([MARKER_KEY], [marker.encode()])
            if partition in self.app.owned or self.app.handing_over:
                self.durable_offset[partition] = upto
                self.app.durable.advance(TP(settings.engagements_topic, partition), upto)

    async def _send(self, partition: int, flush: Flush, gone: Sequence[bytes] = ()) -> None:
        """Make rows durable and scores public, and tombstones of entities that are `gone`."""
        nothing = [None] * len(gone)
        keys, scores = [*flush.keys, *gone], [*flush.scores, *nothing]
        if not keys:
            return
        values = [*(record.encode() for record in flush.scores), *nothing]
        _, acks = await asyncio.gather(
            self._changelog(partition).write(keys, [*flush.rows, *nothing]),
            self.app.bulk.send(self.app.settings.scores_topic, partition, keys, values),
        )
        self.publish(partition, acks, keys, scores)

    def _changelog(self, partition: int) -> Changelog:
        found = self._changelogs.get(partition)
        if found is None:
            app = self.app
            found = Changelog(app.entities.store, app.settings.entities_changelog, partition, app.bulk, app.settings)
            self._changelogs[partition] = found
        return found


def add_scorer(app: CloutstreamApp) -> Scorer:
    """Add the scoring agent to an app."""
    scorer = Scorer(app)

    async def engagements(stream: Any) -> None:
        async for content in stream:  # content: Range of packed engagements
            try:
                await scorer.take(content)
            except asyncio.CancelledError:
                raise
            except BaseException as e:
                fatal(f"folding {content.topic}[{content.partition}]@{content.offsets[0]} failed", e)

    app.agent(app.ranges(app.settings.engagements_topic), name="scorer")(engagements)
    return scorer
