"""Intake: events in, engagements out. Decode, refuse to dead letters, drop duplicates, weigh the actor, fan out.

Of each source partition at most one round of sends is unacknowledged; the position moves only when it is (`design.md` 3.2).
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from typing import Any, cast

from faust.types import TP

from agents.app import CloutstreamApp
from streams.events.engagements import Engagements, encode
from streams.events.split import split
from streams.fatal import fatal
from streams.intake.take import Taken, take
from streams.intake.weigh import DAY_S
from streams.kafka.range import Range
from streams.tables import actor_codec
from streams.tables.actor_rows import ActorRows
from streams.tables.changelog import Changelog

# A round's records stay well below a broker's limit of 1 MiB, and a round is short against a flush interval.
ROUND_EVENTS = 4096
RECORD_BYTES = 700_000
HandOn = Callable[[int, int, Engagements], None]
EXPIRY_SLICE = 2_000  # rows looked at per flush: a million take 20 s, spread over 500 flushes


class Intake:
    """The intake of all owned partitions."""

    def __init__(self, app: CloutstreamApp) -> None:
        self.app = app
        self.hand_on: HandOn = lambda *_: None  # told of engagements that the broker has
        self._rounds: dict[TP, asyncio.Task[None]] = {}
        # Closed by a flush while it waits for open rounds: in a backlog a next one would always be open.
        self._gates: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._changelogs: dict[int, Changelog] = {}
        # Next offset whose effects are durable, and outcome counts up to there, for what is shown in Redis.
        self.shown: dict[int, dict[str, int]] = {}
        self.lag_messages: dict[TP, int] = {}

    async def take(self, content: Range) -> None:
        """Take a fetched range of an input partition."""
        settings, p = self.app.settings, content.partition
        tp = TP(content.topic, p)
        actors = self.app.actors.partition(p).table
        entities = self.app.entities.partition(p).table
        position = actors.source(content.topic).position
        if content.start > position:
            cast(Any, self.app.consumer).rewind(tp, position)
            return
        first = next((i for i, offset in enumerate(content.offsets) if offset >= position), len(content))
        for start in range(first, len(content), ROUND_EVENTS):
            part = content.part(start, min(start + ROUND_EVENTS, len(content)))
            previous = self._rounds.get(tp)
            async with self._gates[p], self.app.turns:
                # No await between these two: whoever flushes must see a round as open as soon as its events are in the rows.
                taken = take(part.topic, p, part.offsets, part.timestamps_ms, part.values, actors, entities, settings)
                self._rounds[tp] = asyncio.create_task(self._send(part, taken, previous))
            if previous is not None:
                await asyncio.shield(previous)
        self.lag_messages[tp] = max(0, (self.app.consumer.highwater(tp) or 0) - content.offsets[-1] - 1)

    async def _settled(self, tp: TP) -> None:
        task = self._rounds.get(tp)
        if task is not None:
            await asyncio.shield(task)

    async def _send(self, part: Range, taken: Taken, previous: asyncio.Task[None] | None) -> None:
        """Send one round when the one before is acknowledged; any failure ends the process before another is tried."""
        try:
            if previous is not None:
                await previous
            sends = [self._send_engagements(q, record) for q, record in taken.engagements.items()]
            if taken.refused:
                sends.append(self._send_dead_letters(part, taken))
            await asyncio.gather(*sends)
        except BaseException as e:
            if isinstance(e, asyncio.CancelledError):
                raise
            fatal(f"intake of {part.topic}[{part.partition}]@{part.offsets[0]} failed", e)

    async def _send_engagements(self, partition: int, record: Engagements) -> None:
        # Piece by piece: were a later one to arrive without an earlier, the earlier one's replay would be dropped as known.
        for piece in split(record, RECORD_BYTES):
            acks = await self.app.bulk.send(self.app.settings.engagements_topic, partition, [None], [encode(piece)])
            self.hand_on(partition, acks[0].base_offset, piece)

    async def _send_dead_letters(self, part: Range, taken: Taken) -> None:
        keys: list[bytes | None] = []
        values: list[bytes | None] = []
        headers = []
        for refused in taken.refused:
            i = refused.index
            keys.append(b"%b[%d]@%d" % (part.topic.encode(), part.partition, part.offsets[i]))
            values.append(part.values[i] or b"")
            headers.append(
                [
                    ("reason", refused.reason.encode(errors="replace")),
                    ("topic", part.topic.encode()),
                    ("partition", b"%d" % part.partition),
                    ("offset", b"%d" % part.offsets[i]),
                    ("at_ms", b"%d" % part.timestamps_ms[i]),
                ]
            )
        await self.app.bulk.send(self.app.settings.dead_letters_topic, part.partition, keys, values, headers)

    async def flush(self, partition: int) -> None:
        """Make durable what was taken of a partition: actors and ids, then the marker; then its events may be committed."""
        table = self.app.actors.partition(partition).table
        tps = [TP(topic, partition) for topic in self.app.settings.topic_names]
        async with self._gates[partition]:
            for tp in tps:
                await self._settled(tp)
            # No await from here to the snapshot: it must be of rounds that are acknowledged.
            keys, values = _dirty(table, self.app.settings.expire_after_s)
            positions = {tp: table.source(tp.topic).position for tp in tps}
            counts = _counts(table)
            if not keys and counts == self.shown.get(partition):
                return
            marker = actor_codec.encode_marker(table)
        changelog = self._changelog(partition)
        await changelog.write(keys, values)
        await changelog.write([actor_codec.MARKER_KEY], [marker])
        if partition in self.app.owned or self.app.handing_over:
            self.shown[partition] = counts
            for tp, position in positions.items():
                self.app.durable.advance(tp, position)

    def _changelog(self, partition: int) -> Changelog:
        found = self._changelogs.get(partition)
        if found is None:
            app = self.app
            found = Changelog(app.actors.store, app.settings.actors_changelog, partition, app.bulk, app.settings)
            self._changelogs[partition] = found
        return found


def _dirty(table: ActorRows, expire_after_s: float) -> tuple[list[bytes], list[bytes | None]]:
    """Return the records of touched rows and ids, and mark them clean; and tombstones of actors long gone."""
    keys, values = actor_codec.take_id_blocks(table)
    rows = table.dirty.nonzero()[0]
    table.dirty[rows] = False
    records = actor_codec.encode_rows(table, rows)
    names = table.names.get(rows)
    gone = table.expired(EXPIRY_SLICE, lambda part: part["last_day"] < table.latest_day - expire_after_s / DAY_S)
    return [*keys, *names, *gone], [*values, *records, *([None] * len(gone))]


def _counts(table: ActorRows) -> dict[str, int]:
    """Return outcomes summed over input topics, and the position in each."""
    counts: dict[str, int] = {}
    for topic, source in table.sources.items():
        counts[f"position:{topic}"] = source.position
        for name, n in source.outcomes.items():
            counts[name] = counts.get(name, 0) + n
    return counts


def add_intake(app: CloutstreamApp) -> Intake:
    """Add the intake agent to an app."""
    intake = Intake(app)

    async def events(stream: Any) -> None:
        async for content in stream:  # content: Range of raw events, keyed by actor
            try:
                await intake.take(content)
            except asyncio.CancelledError:
                raise
            except BaseException as e:
                fatal(f"intake of {content.topic}[{content.partition}]@{content.offsets[0]} failed", e)

    app.agent(app.ranges(*app.settings.topic_names), name="intake")(events)
    return intake
