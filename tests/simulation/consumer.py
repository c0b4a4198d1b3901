"""Fetches of one worker: ranges as the transport delivers them, some lost and some again."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from faust.types import TP

from streams.kafka.range import Range

from .group import Group
from .log import Log
from .world import World

QUEUE = 8  # ranges, as `stream_buffer_maxsize`


class Stream:
    """What an agent iterates over."""

    def __init__(self) -> None:
        self.waiting: deque[Range] = deque()
        self._arrived = asyncio.Event()

    def put(self, content: Range) -> None:
        self.waiting.append(content)
        self._arrived.set()

    def __aiter__(self) -> Stream:
        return self

    async def __anext__(self) -> Range:
        while not self.waiting:
            self._arrived.clear()
            await self._arrived.wait()
        return self.waiting.popleft()


class Consumer:
    """What `BatchConsumer` is to the agents."""

    def __init__(self, world: World, log: Log, group: Group, worker: Any) -> None:
        self._world, self._log, self._group, self._worker = world, log, group, worker
        self.generation = 0
        self.is_flowing = False
        self.streams: dict[str, Stream] = {}
        self._assigned: set[TP] = set()
        self._position: dict[TP, int] = {}
        self._next: dict[TP, int] = {}  # where the next fetch goes on, as far as the transport knows
        self._rewind: dict[TP, int] = {}
        self._highwater: dict[TP, int] = {}
        self._committed: dict[TP, int] = {}
        self._committing: asyncio.Future[None] | None = None

    def assignment(self) -> set[TP]:
        return self._assigned

    def highwater(self, tp: TP) -> int | None:
        return self._highwater.get(tp)

    def known_end(self, tp: TP) -> int:
        return max(self._next.get(tp, 0), self._highwater.get(tp, 0)) if tp in self._assigned else self._next.get(tp, 0)

    def committed(self, tp: TP) -> int:
        return self._committed.get(tp, 0)

    def rewind(self, tp: TP, offset: int) -> None:
        self._world.note("%s: asks for %s[%d]@%d again", self._worker, *tp, offset)
        self._rewind[tp] = offset

    def resume_partitions(self, tps: set[TP]) -> None:
        """None is ever paused here."""

    async def commit(self) -> bool:
        if self._committing is not None:
            await asyncio.shield(self._committing)
            return False
        world, worker = self._world, self._worker
        done = self._committing = worker.loop.create_future()
        try:
            durable = worker.durable
            wanted = {tp: offset for tp, offset in durable.items() if offset > self._committed.get(tp, 0)}
            offsets = {tp: offset for tp, offset in wanted.items() if tp in self._assigned}
            if not offsets:
                return False
            generation, answer = self.generation, worker.loop.create_future()

            def reply(is_committed: bool) -> None:
                worker.when_awake(lambda: answer.done() or answer.set_result(is_committed))

            def arrive() -> None:
                if worker.is_alive or worker.leaves_requests:
                    is_committed = self._group.commit(worker, generation, offsets)
                    world.note("%s: commits %s: %s", worker, offsets, is_committed)
                    world.after(self._log.plan.latency_s(world), lambda: reply(is_committed))

            world.after(self._log.plan.latency_s(world), arrive)
            is_committed: bool = await answer
            if is_committed:
                self._committed.update(offsets)
            return is_committed
        finally:
            self._committing = None
            if not done.done():
                done.set_result(None)

    def assign(self, assigned: set[TP], generation: int) -> None:
        self._assigned, self.generation = assigned, generation

    def seek_to_committed(self) -> None:
        """Go on from what is committed, as Faust does after each recovery."""
        committed = self._group.committed
        self._position = {tp: committed.get(tp, 0) for tp in self._assigned}
        self._next.update(self._position)
        self._committed.update({tp: offset for tp, offset in self._position.items() if offset})

    def stop_flow(self) -> None:
        """Deliver nothing more, and forget what no agent has taken yet, and what was committed."""
        self.is_flowing = False
        self._committed.clear()
        for stream in self.streams.values():
            if stream.waiting:
                self._world.note("%s: %d ranges are forgotten", self._worker, len(stream.waiting))
            stream.waiting.clear()

    async def fetch(self, every_s: float) -> None:
        """Fetch for ever."""
        rng = self._world.rng
        while True:
            await asyncio.sleep(every_s * rng.uniform(0.5, 1.5))
            if self.is_flowing:
                self._seek_back()
                for tp in sorted(self._assigned):
                    stream = self.streams.get(tp.topic)
                    if stream is not None and len(stream.waiting) < QUEUE:
                        self._deliver(tp, stream)

    def _seek_back(self) -> None:
        for tp, offset in self._rewind.items():
            if tp in self._assigned:
                self._position[tp] = self._next[tp] = offset
        self._rewind.clear()

    def _deliver(self, tp: TP, stream: Stream) -> None:
        world, plan = self._world, self._log.plan
        partition = self._log[tp]
        self._highwater[tp] = partition.end
        if plan.again and world.chance(plan.again):
            self._position[tp] = min(self._group.committed.get(tp, 0), self._position[tp])
        records = partition.read(self._position[tp], world.rng.choice([1, 3, 10, 1000]))
        if not records:
            return
        start = min(self._next.get(tp, 0), records[0].offset)
        self._next[tp] = self._position[tp] = records[-1].offset + 1
        if plan.drops and world.chance(plan.drops):
            # Not yet active, or the flow stood still: the transport notices. Cut short in a callback: it doesn't.
            world.note("%s: %s[%d]@%d..%d is dropped", self._worker, *tp, records[0].offset, records[-1].offset)
            if world.chance(0.5):
                self.rewind(tp, records[0].offset)
            return
        world.note("%s: gets %s[%d]@%d..%d from %d", self._worker, *tp, records[0].offset, records[-1].offset, start)
        stream.put(
            Range(
                tp.topic,
                tp.partition,
                [r.offset for r in records],
                [r.timestamp for r in records],
                [r.key for r in records],
                [r.value for r in records],
                start,
            )
        )
