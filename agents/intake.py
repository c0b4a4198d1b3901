"""Intake: events in, engagements out. Decode, refuse to dead letters, drop duplicates, weigh the actor, fan out.

At most one round of sends is unacknowledged; positions become durable only when it is (`design.md` 3.2).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from typing import Any

from faust.types import TP

from agents.fetched import Fetched
from agents.host import Host
from agents.scorer import MARKER_REFRESH_S
from streams.columns.grouping import slices
from streams.events.engagements import Engagements, encode
from streams.events.letters import Letter, letter_of
from streams.events.split import in_batches, split
from streams.fatal import fatal
from streams.intake.take import Taken, take
from streams.intake.weigh import DAY_S
from streams.tables import actor_codec
from streams.tables.actor_rows import ActorRows, Inputs
from streams.tables.states import ActorState

RECORD_BYTES = 450_000  # fits into one batch of the producer
HandOn = Callable[[int, int, Engagements], None]
EXPIRY_SLICE = 2_000  # rows looked at per flush: a million take 20 s, spread over 500 flushes


class Intake:
    """The intake of all owned partitions: what was fetched of several is taken as one batch."""

    def __init__(self, app: Host) -> None:
        self.app = app
        self.hand_on: HandOn = lambda *_: None  # told of engagements that the broker has
        self.fetched = Fetched(app)
        self._round: asyncio.Task[None] | None = None
        # Closed by a flush while it waits for the open round: in a backlog a next one would always be open.
        self._gate = asyncio.Lock()
        # Next offset whose effects are durable, and outcome counts up to there, for what is shown in Redis.
        self.shown: dict[int, dict[str, int]] = {}
        self._marked_at_s: dict[int, float] = {}

    async def run(self) -> None:
        """Take what was fetched, for ever."""
        while True:
            await self.fetched.wait()
            while await self._take():
                pass

    async def _take(self) -> bool:
        """Take the next round; return whether there was one."""
        previous = self._round
        async with self._gate, self.app.turns:
            # Chosen inside the gate: while it was closed a hand-over may have come, and positions gone back.
            batch = self.fetched.round()
            if not batch:
                return False
            # No await between these two: whoever flushes must see a round as open as soon as its events are in the rows.
            try:
                control = self.app.control
                taken = take(
                    batch, self.app.actor_rows, self.app.entity_rows, self.app.settings, control.campaigns, control.forgotten
                )
            except Exception as e:
                fatal("taking " + ", ".join(f"{c.topic}[{c.partition}]@{c.offsets[0]}" for c in batch) + " failed", e)
            self._round = asyncio.create_task(self._send(taken, previous))
            self.app.counters.take(taken)
        if previous is not None:
            await asyncio.shield(previous)
        return True

    async def _send(self, taken: Taken, previous: asyncio.Task[None] | None) -> None:
        """Send one round when the one before is acknowledged; any failure ends the process before another is tried."""
        try:
            if previous is not None:
                await previous
            by_target: dict[int, list[Engagements]] = {}
            for partition, record in taken.engagements:
                by_target.setdefault(partition, []).extend(split(record, RECORD_BYTES))
            sends = [self._send_engagements(partition, records) for partition, records in by_target.items()]
            if taken.refused:
                sends.append(self._send_dead_letters(taken))
            await asyncio.gather(*sends)
        except BaseException as e:
            if isinstance(e, asyncio.CancelledError):
                raise
            fatal("sending what intake took failed", e)

    async def _send_engagements(self, partition: int, records: list[Engagements]) -> None:
        # Batch by batch: were a later one to arrive without an earlier, the earlier one's replay would be dropped as known.
        for together in in_batches(records, RECORD_BYTES):
            values = [encode(record) for record in together]
            acks = await self.app.bulk.send(self.app.settings.engagements_topic, partition, [None] * len(values), values)
            offsets = [ack.base_offset + i for ack in acks for i in range(ack.count)]
            for offset, record in zip(offsets, together, strict=True):
                self.hand_on(partition, offset, record)

    async def _send_dead_letters(self, taken: Taken) -> None:
        by_partition: dict[int, list[Letter]] = {}
        for content, refused in taken.refused:
            by_partition.setdefault(content.partition, []).append(letter_of(content, refused))
        for partition, letters in by_partition.items():
            keys, values, headers = zip(*letters, strict=True)
            await self.app.bulk.send(self.app.settings.dead_letters_topic, partition, keys, values, headers)

    async def flush(self, partitions: Collection[int]) -> None:
        """Make durable what was taken of partitions: actors and ids, then the marker; then its events may be committed."""
        table = self.app.actor_rows
        async with self._gate:
            if self._round is not None:
                await asyncio.shield(self._round)
            # No await from here to the snapshot: it must be of rounds that are acknowledged, and of partitions still here.
            partitions = [p for p in partitions if self.app.holds(p)]
            table.forget(self.app.control.forgotten)
            dirty = _dirty(table, partitions, self.app.settings.expire_after_s)
            actors = self.app.actors
            snapshots = [_Snapshot(actors.partition(p), table.inputs(p), *dirty.get(p, ([], []))) for p in partitions]
        now_s = self.app.clock.monotonic()
        await asyncio.gather(*(self._write(s, now_s) for s in snapshots if self._is_due(s, now_s)))

    def _is_due(self, snapshot: _Snapshot, now_s: float) -> bool:
        """Return whether there is something to write: news, or the marker of a partition that is quiet."""
        p = snapshot.partition
        is_news = bool(snapshot.keys) or snapshot.counts != self.shown.get(p)
        return is_news or now_s - self._marked_at_s.get(p, -1e9) >= MARKER_REFRESH_S

    async def _write(self, snapshot: _Snapshot, now_s: float) -> None:
        partition = snapshot.partition
        self._marked_at_s[partition] = now_s
        changelog = self.app.changelog(self.app.actors, partition)
        await changelog.write(snapshot.keys, snapshot.values, snapshot.state)
        is_held = await changelog.write([actor_codec.MARKER_KEY], [snapshot.marker], snapshot.state)
        if is_held and (partition in self.app.owned or self.app.handing_over):
            self.shown[partition] = snapshot.counts
            for topic in self.app.settings.topic_names:
                self.app.durable.advance(TP(topic, partition), snapshot.counts.get(f"position:{topic}", 0))


class _Snapshot:
    """What a flush writes of one partition, as of one moment."""

    def __init__(self, state: ActorState, inputs: Inputs, keys: list[bytes], values: list[bytes | None]) -> None:
        ids = actor_codec.take_id_blocks(inputs)
        self.state, self.partition = state, state.partition
        self.keys, self.values = [*ids[0], *keys], [*ids[1], *values]
        self.counts, self.marker = inputs.counts(), actor_codec.encode_marker(inputs)


def _dirty(
    table: ActorRows, partitions: Collection[int], expire_after_s: float
) -> dict[int, tuple[list[bytes], list[bytes | None]]]:
    """Return the records of touched rows by partition, and mark them clean; and tombstones of actors forgotten or long gone."""
    doomed = table.doomed(partitions)
    rows = table.touched(partitions)
    table.dirty[rows] = False
    touched, values = table.names.get(rows), actor_codec.encode_rows(table, rows)
    oldest_day = table.latest_day - expire_after_s / DAY_S
    gone = table.expired(EXPIRY_SLICE, partitions, lambda part: table.rows["last_day"][part] < oldest_day)
    records: dict[int, tuple[list[bytes], list[bytes | None]]] = {}
    for p, mine in slices(table.part[rows]).items():
        records[p] = (touched[mine], [*values[mine]])
    for p, names in (*doomed.items(), *gone.items()):
        keys, tombstones = records.setdefault(p, ([], []))
        keys += names
        tombstones += [None] * len(names)
    return records


def add_intake(app: Host) -> Intake:
    """Add the intake agent to an app."""
    intake = Intake(app)

    async def events(stream: Any) -> None:
        async for content in stream:  # content: Range of raw events, keyed by actor
            await intake.fetched.put(content)

    app.forget = intake.fetched.forget
    app.agent(app.ranges(*app.settings.topic_names), name="intake")(events)
    app.endless("intake", intake.run)
    return intake
