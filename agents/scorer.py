"""Scorer: engagements in, scores out. Fold into decaying counters, score, decide what changed.

A flush writes rows and scores, then the marker; only then may the engagements be committed, at most to what the marker says
(`design.md` 3.5).
"""

from __future__ import annotations

import asyncio
from typing import Any

from faust.types import TP

from agents.app import CloutstreamApp
from streams.events.engagements import Engagements, decode
from streams.fatal import fatal
from streams.kafka.range import Range
from streams.tables.changelog import Changelog
from streams.tables.entity_codec import MARKER_KEY
from streams.tables.flush import take_flush
from streams.tables.fold import fold
from streams.tables.states import EntityState

FOLD_ENGAGEMENTS = 16_384  # about 30 ms of work: others must get their turn
EXPIRY_SLICE = 2_000  # rows looked at per flush: a million take 20 s, spread over 500 flushes


class Scorer:
    """The scorer of all owned partitions."""

    def __init__(self, app: CloutstreamApp) -> None:
        self.app = app
        self._changelogs: dict[int, Changelog] = {}
        self.durable_offset: dict[int, int] = {}  # next engagements offset whose effects are durable, for Redis

    async def take(self, content: Range) -> None:
        """Fold a fetched range of an engagements partition."""
        table = self.app.entities.partition(content.partition).table
        records: list[Engagements] = []
        offsets: list[int] = []
        for offset, value in zip(content.offsets, content.values, strict=True):
            records.append(decode(value or b""))
            offsets.append(offset)
            if sum(map(len, records)) >= FOLD_ENGAGEMENTS or offset == content.offsets[-1]:
                fold(table, records, offsets)
                records, offsets = [], []
                await asyncio.sleep(0)

    async def flush(self, partition: int) -> None:
        """Make durable what was folded into a partition, and publish its scores to the scores topic."""
        state: EntityState = self.app.entities.partition(partition)
        table, settings = state.table, self.app.settings
        flush = take_flush(table)
        done = self.durable_offset.get(partition, -1)
        oldest_s = table.watermark - settings.expire_after_s
        gone = table.expired(EXPIRY_SLICE, lambda rows: rows["at"] < oldest_s)
        if not flush.keys and not gone and flush.marker.folded + 1 == done:
            return
        changelog = self._changelog(partition)
        no_rows: list[bytes | None] = [None] * len(gone)
        await asyncio.gather(
            changelog.write([*flush.keys, *gone], [*flush.rows, *no_rows]),
            self.app.bulk.send(settings.scores_topic, partition, [*flush.keys, *gone], [*flush.scores, *no_rows]),
        )
        await changelog.write([MARKER_KEY], [flush.marker.encode()])
        if partition in self.app.owned or self.app.handing_over:
            self.durable_offset[partition] = flush.marker.folded + 1
            self.app.durable.advance(TP(settings.engagements_topic, partition), flush.marker.folded + 1)

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
