"""Scorer: engagements in, scores out. Fold into decaying counters, score, decide what changed.

A flush writes rows and scores, then the marker; only then may the engagements be committed, at most to what the marker says
(`design.md` 3.5).
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import numpy as np
from faust.types import TP
from numpy.typing import NDArray

from agents.entity_writer import EntityWriter
from agents.host import Host
from streams.columns.hashing import hash_names
from streams.events.engagements import Engagements, decode
from streams.fatal import fatal
from streams.kafka.range import Range
from streams.tables.flush import Flush, flush_pieces
from streams.tables.forgetting import Walk
from streams.tables.marker import MARKER_KEY, Marker
from streams.tables.states import EntityState, fold_waiting

FOLD_ENGAGEMENTS = 8192  # about 30 ms of work: others must get their turn
MARKER_INTERVAL_S = 0.25  # how far a crash sets back; rows and scores don't wait for it
# A quiet partition's marker is written again so often: each write shows whether a worker that lost the partition wrote stale rows
# since, long before compaction may take the newer ones.
MARKER_REFRESH_S = 60.0
EXPIRY_SLICE = 2_000  # rows looked at per flush: a million take 20 s, spread over 500 flushes


class Scorer:
    """The scorer of all owned partitions.

    Records come from Kafka, or straight from this worker's intake once the broker has acknowledged them where the next one is
    expected: the same records at the same offsets, a fetch earlier.
    """

    def __init__(self, app: Host) -> None:
        self.app = app
        self.writer = EntityWriter(app)
        self._marked_at_s: dict[int, float] = {}
        self._walk = Walk(app.entity_rows)
        self._to_bury: dict[int, set[bytes]] = {}
        self.durable_offset: dict[int, int] = {}  # next engagements offset whose effects are durable, for Redis

    async def take(self, content: Range) -> None:
        """Take a fetched range of an engagements partition; it is folded at the next flush, or when much waits."""
        state = self.app.entities.partition(content.partition)
        if content.start > state.next_offset:
            self.app.consumer.rewind(TP(content.topic, content.partition), state.next_offset)
            return
        for offset, value in zip(content.offsets, content.values, strict=True):
            if offset < state.next_offset:
                continue
            state.put(offset, decode(value or b""))
            if sum(s.waiting_engagements for s in self._told_states()) >= FOLD_ENGAGEMENTS:
                async with self.app.turns:
                    fold_waiting(self._told_states())

    def _told_states(self) -> list[EntityState]:
        return [state for state in map(self.app.entities.partition, self.app.owned) if state.is_told]

    def offer(self, partition: int, offset: int, record: Engagements) -> None:
        """Take a record that this worker sent and the broker acknowledged at `offset`, if nothing comes before it."""
        if partition in self.app.owned:
            state = self.app.entities.partition(partition)
            if offset == state.next_offset:
                state.put(offset, record)

    async def flush(self, partitions: Collection[int], now_s: float) -> None:
        """Fold what waits, make its rows durable and their scores public; now and then write markers and allow the commit.

        Nothing is folded into rows that another process wrote before the changes that they say are told: it may have ended
        between a row and its score, and once folded into, a row says the next change.

        Args:
            partitions: owned ones.
            now_s: any steady clock, s.
        """
        loaded = [state for state in self._held(partitions).values() if not state.is_told]
        if loaded:
            await self._write([state.partition for state in loaded], now_s, folds=False)
        await self._write(partitions, now_s, folds=True)

    def _held(self, partitions: Iterable[int]) -> dict[int, EntityState]:
        return {p: self.app.entities.partition(p) for p in partitions if self.app.holds(p)}

    async def _write(self, partitions: Collection[int], now_s: float, folds: bool) -> None:
        """Write what is dirty: after folding what waits, or else together with all rows whose changes may not be told."""
        table = self.app.entity_rows
        async with self.app.turns:
            # No await from here to the first piece: it must be of these states.
            states = self._held(partitions)
            partitions, loads = list(states), {p: state.loads for p, state in states.items()}
            table.told_below.update((p, self._durable(p)) for p in partitions)
            if folds:
                fold_waiting(state for state in states.values() if state.is_told)
            else:
                for p in partitions:
                    table.dirty[table.untold(p)] = True
            table.forget(self.app.control.forgotten)
            self._walk.step(self.app.owned, now_s)
            buried = self._buried(partitions)
            markers = {p: table.log(p).copy() for p in partitions}
            pieces = flush_pieces(table, partitions)
            piece: Flush | None = next(pieces)
            gone = joined_lists(buried, table.expired(EXPIRY_SLICE, partitions, self._is_old))
        while piece is not None:
            sending = asyncio.create_task(self.writer.send(piece, gone, states))
            async with self.app.turns:
                if not self._are_held(states):
                    await sending
                    return  # no marker: of a partition that was dropped not all rows are sent
                piece, gone = next(pieces, None), {}
            await sending
            self.app.counters.flushes[self.app.entities.name] += 1  # of millions of rows takes minutes, and isn't stuck
        if not folds:
            for p, state in states.items():
                state.told_loads = loads[p]
        elif self._are_held(states):
            await asyncio.gather(*(self._mark(p, marker, states[p], now_s) for p, marker in markers.items()))

    def _durable(self, partition: int) -> int:
        """Return the engagements offset below which rows and scores are durable, whoever wrote them."""
        known = self.app.consumer.committed(TP(self.app.settings.engagements_topic, partition))
        return max(self.durable_offset.get(partition, 0), known)

    def bury(self, partition: int, key: bytes) -> None:
        """Have a tombstone written for an entity of somebody forgotten, whose score was met after that."""
        self._to_bury.setdefault(partition, set()).add(key)

    def _buried(self, partitions: Collection[int]) -> dict[int, list[bytes]]:
        """Return entities of somebody forgotten by partition, and keep no rows of them."""
        table = self.app.entity_rows
        met = {p: sorted(self._to_bury.pop(p)) for p in partitions if p in self._to_bury}
        for p, names in met.items():
            found = table.find(*hash_names(names), p)
            table.doom(found[found >= 0])
        return joined_lists(met, table.doomed(partitions))

    def _are_held(self, states: Mapping[int, EntityState]) -> bool:
        """Return whether these are the states of their partitions; not after a hand-over that took too long."""
        held = self.app.entities.store.partitions
        return all(held.get(p) is state for p, state in states.items())

    def _is_old(self, part: slice) -> NDArray[np.bool_]:
        """Return which of a slice of rows had no event for so long that they expire, by their partitions' own time."""
        table = self.app.entity_rows
        watermarks = np.array([table.log(p).watermark for p in range(self.app.settings.partitions)])
        old: NDArray[np.bool_] = table.rows["at"][part] < watermarks[table.part[part]] - self.app.settings.expire_after_s
        return old

    async def _mark(self, partition: int, marker: Marker, state: EntityState, now_s: float) -> None:
        """Write a partition's marker when it is due, and allow the commit of what it says is durable."""
        upto, age_s = marker.folded + 1, now_s - self._marked_at_s.get(partition, -1e9)
        is_news = upto != self.durable_offset.get(partition) and (self.app.handing_over or age_s >= MARKER_INTERVAL_S)
        if is_news or age_s >= MARKER_REFRESH_S:
            self._marked_at_s[partition] = now_s
            await self.app.changelog(self.app.entities, partition).write(*state.people.taken(), state)
            is_held = await self.app.changelog(self.app.entities, partition).write([MARKER_KEY], [marker.encode()], state)
            if is_held and (partition in self.app.owned or self.app.handing_over):
                self.durable_offset[partition] = upto
                self.app.durable.advance(TP(self.app.settings.engagements_topic, partition), upto)


def joined_lists(first: Mapping[int, list[bytes]], second: Mapping[int, list[bytes]]) -> dict[int, list[bytes]]:
    """Return what either has, by partition, each once."""
    both = {p: list(dict.fromkeys([*first.get(p, ()), *second.get(p, ())])) for p in {*first, *second}}
    return {p: names for p, names in both.items() if names}


def add_scorer(app: Host) -> Scorer:
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
