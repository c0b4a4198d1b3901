"""A log in memory: topics of records, requests under way to it, and compaction."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from faust.types import TP

from streams.errors import DurabilityError
from streams.kafka.bulk import Acknowledged, Headers

from .plan import Plan
from .world import World


class Record(NamedTuple):
    """A record as the oracle's reading has it; `timestamp` is epoch milliseconds."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


class Partition:
    """Records of one partition in offset order."""

    def __init__(self, tp: TP) -> None:
        self.tp = tp
        self.records: list[Record] = []
        self.offsets: list[int] = []
        self.end = 0

    def read(self, first: int, most: int = 1 << 30, end: int = 1 << 60) -> list[Record]:
        """Return retained records from an offset on."""
        at = bisect_left(self.offsets, first)
        stop = bisect_left(self.offsets, end, at) if end < self.end else len(self.offsets)
        return self.records[at : min(at + most, stop)]

    def compact(self, before_ms: int) -> int:
        """Keep of records older than a time the last of each key; return how many went."""
        clean = next((i for i, r in enumerate(self.records) if r.timestamp >= before_ms), len(self.records))
        last = {r.key: r.offset for r in self.records[:clean]}
        kept = [r for r in self.records[:clean] if last[r.key] == r.offset] + self.records[clean:]
        gone = len(self.records) - len(kept)
        self.records, self.offsets = kept, [r.offset for r in kept]
        return gone


class Log:
    """All topics, and who is told of what is appended."""

    def __init__(self, world: World, plan: Plan) -> None:
        self._world, self.plan = world, plan
        self._partitions: dict[TP, Partition] = {}
        self.under_way = 0  # requests that may yet arrive, also those of workers that died
        self.on_append: Callable[[Record], None] = lambda _: None

    def __getitem__(self, tp: TP) -> Partition:
        found = self._partitions.get(tp)
        if found is None:
            found = self._partitions[tp] = Partition(tp)
        return found

    def topic(self, name: str) -> Iterator[Record]:
        """Yield a topic's records by partition."""
        for tp in sorted(self._partitions):
            if tp.topic == name:
                yield from self._partitions[tp].records

    def append(
        self, tp: TP, keys: Sequence[bytes | None], values: Sequence[bytes | None], headers: Sequence[Headers] | None = None
    ) -> int:
        """Append records; return the first's offset."""
        partition = self[tp]
        first, at_ms = partition.end, int(self._world.time() * 1000)
        for i, (key, value) in enumerate(zip(keys, values, strict=True)):
            record = Record(tp.topic, tp.partition, first + i, at_ms, key, value, headers[i] if headers else ())
            partition.records.append(record)
            partition.offsets.append(first + i)
            partition.end += 1
            self.on_append(record)
        return first


class Request:
    """One batch on its way."""

    __slots__ = ("answer", "headers", "keys", "tp", "values")

    def __init__(self, tp: TP, keys: Any, values: Any, headers: Any, answer: asyncio.Future[Acknowledged]) -> None:
        self.tp, self.keys, self.values, self.headers, self.answer = tp, keys, values, headers, answer


class Sender:
    """What a worker sends through: one batch of a partition is under way at a time, as aiokafka has it.

    After a failed batch the next is sent all the same, as aiokafka does.
    """

    def __init__(self, world: World, log: Log, worker: Any) -> None:
        self._world, self._log, self._worker = world, log, worker
        self._plan = log.plan
        self._waiting: dict[TP, deque[Request]] = {}

    @property
    def is_busy(self) -> bool:
        """Whether anything is under way."""
        return any(self._waiting.values())

    async def send(
        self, topic: str, partition: int, keys: Sequence[bytes | None], values: Sequence[bytes | None],
        headers: Sequence[Headers] | None = None, timestamp_ms: int | None = None,
    ) -> list[Acknowledged]:  # fmt: skip
        """Send records as `BulkProducer` does."""
        tp, rng = TP(topic, partition), self._world.rng
        loop = self._worker.loop
        futures = []
        at, n = 0, len(keys)
        while at < n:
            stop = n
            if n - at > 1 and self._may_split(topic) and self._world.chance(self._plan.splits):
                stop = at + rng.randint(1, n - at - 1)
            answer = loop.create_future()
            request = Request(tp, keys[at:stop], values[at:stop], headers[at:stop] if headers else None, answer)
            queue = self._waiting.setdefault(tp, deque())
            queue.append(request)
            if len(queue) == 1:
                self._begin(request)
            futures.append(answer)
            at = stop
        try:
            return list(await asyncio.gather(*futures))
        except OSError as e:
            raise DurabilityError(f"sending {n} records to {topic}[{partition}] failed: {e!r}") from e

    def _may_split(self, topic: str) -> bool:
        """Return whether records become several batches: not engagements, of which intake sends what fits into one at a time."""
        return topic != self._plan.settings().engagements_topic

    def _begin(self, request: Request) -> None:
        world = self._world
        delay_s = self._plan.latency_s(world)
        self._log.under_way += 1
        world.after(delay_s, lambda: self._arrive(request))

    def _arrive(self, request: Request) -> None:
        """The request reaches the broker, if it does."""
        world, worker = self._world, self._worker
        self._log.under_way -= 1
        if not worker.is_alive and not worker.leaves_requests:
            return
        if worker.is_paused and worker.holds_requests:
            worker.when_awake(lambda: self._begin(request))
            return
        failed = worker.is_alive and world.chance(self._plan.send_failures)
        if failed and world.chance(0.5):
            world.note("%s: a batch of %d for %s[%d] is lost", worker, len(request.keys), *request.tp)
            self._answer(request, None)
            return
        base = self._log.append(request.tp, request.keys, request.values, request.headers)
        world.note("%s: %d records at %s[%d]@%d", worker, len(request.keys), *request.tp, base)
        if world.chance(self._plan.appended_twice):
            base = self._log.append(request.tp, request.keys, request.values, request.headers)
            world.note("%s: and again @%d: the answer was lost, aiokafka tried again", worker, base)
        are_rows = request.tp.topic == self._plan.settings().entities_changelog
        if self._plan.row_crashes and are_rows and world.chance(self._plan.row_crashes):
            worker.die("crashes when its rows are written")
        self._answer(request, None if failed else Acknowledged(base, len(request.keys)))

    def _answer(self, request: Request, ack: Acknowledged | None) -> None:
        world, worker = self._world, self._worker

        def deliver() -> None:
            if not worker.is_alive:
                return
            if worker.is_paused:
                worker.when_awake(deliver)
                return
            if not request.answer.done():
                if ack is None:
                    world.note("%s: a batch for %s[%d] failed", worker, *request.tp)
                    request.answer.set_exception(OSError("the broker refused a batch"))
                else:
                    request.answer.set_result(ack)
            queue = self._waiting[request.tp]
            queue.popleft()
            if queue:
                self._begin(queue[0])

        world.after(self._plan.latency_s(world), deliver)
