"""One worker process: the agents as they are, and around them what Faust does."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from types import SimpleNamespace
from typing import Any, NoReturn

from faust.types import TP

from agents import add_agents
from agents.ownership import Ownership
from streams.control.state import ControlRecord, Fetched
from streams.kafka.range import Range
from streams.redis.feed import Feed
from streams.redis.writer import Writer
from streams.tables.faust_table import ColumnStore
from streams.tables.states import ActorState, EntityState

from .client import Client
from .consumer import Consumer, Stream
from .group import Group
from .log import Log, Sender
from .store import Store
from .world import Ended, SteppedLoop, Violation, World

COMMIT_S = 0.3


class Table:
    """A table as `ColumnTable` is one, without Faust's."""

    def __init__(self, name: str, topic: str, new_state: Callable[[int], Any]) -> None:
        self.name = name
        self.topic = topic
        self.changelog_topic = SimpleNamespace(get_topic_name=lambda: topic)
        app: Any = SimpleNamespace(consumer=SimpleNamespace(flow_active=True, sought={}))  # its reads leave out nothing
        self.store: ColumnStore[Any] = ColumnStore("columns://", app, self, new_state=new_state, table_name=name)

    def partition(self, partition: int) -> Any:
        return self.store.partition(partition)


class Worker(Ownership):
    """An incarnation: from its start until it crashes or is stopped."""

    def __init__(self, world: World, log: Log, group: Group, store: Store, name: str, dies_at_step: int = 0) -> None:
        self.world, self._log, self._group, self._store, self._name = world, log, group, store, name
        self.loop = SteppedLoop(world)
        self.steps, self.dies_at_step = 0, dies_at_step
        self.is_alive, self.is_paused = True, False
        self.gaps_read = 0  # now
        self.leaves_requests = world.chance(0.5)  # whether what it sent arrives when it dies
        self.holds_requests = world.chance(0.5)  # whether what it is about to send waits when it stops
        self._asleep: list[Callable[[], object]] = []
        self.on_death: Callable[[Worker], None] = lambda _: None
        self.problem: str | None = None
        super().__init__(log.plan.settings(), self._gap, world)
        s = self.settings
        self.bulk = Sender(world, log, self)
        self.consumer = Consumer(world, log, group, self)
        self.actors = Table("actors", s.actors_changelog, lambda p: ActorState(self.actor_rows, p))
        self.entities = Table("entities", s.entities_changelog, lambda p: EntityState(self.entity_rows, p))
        self._tables = (self.actors, self.entities)
        self._runs: list[Callable[[], Awaitable[None]]] = []
        self.rejoin = asyncio.Event()
        add_agents(self)

    def __repr__(self) -> str:
        return self._name

    # What agents ask of their host.

    def new_writer(self) -> Writer:
        client: Any = Client(self.world, self._log.plan, self._store, self)
        return Writer(self.settings, client)

    def new_feed(self) -> Feed:
        client: Any = Client(self.world, self._log.plan, self._store, self)
        return Feed(self.settings, client)

    def ranges(self, *names: str) -> Stream:
        stream = Stream()
        for name in names:
            self.consumer.streams[name] = stream
        return stream

    def agent(self, channel: Stream, *, name: str) -> Callable[[Any], Any]:
        def add(function: Callable[[Any], Awaitable[None]]) -> Any:
            self._runs.append(lambda: function(channel))
            return function

        return add

    def endless(self, what: str, run: Callable[[], Awaitable[None]]) -> None:
        self._runs.append(lambda: self.run_endless(what, run))

    async def follow_control(self) -> AsyncIterator[Fetched]:
        """Fetch the control topic as the workers' follower does: complete up to when the fetch began, if it came to the end."""
        world, plan, rng = self.world, self._log.plan, random.Random(f"{self.world.seed} {self._name}")
        control = self._log[TP(self.settings.control_topic, 0)]
        position = 0
        while True:
            begun_s = world.time()
            await asyncio.sleep(plan.control_s + rng.expovariate(1 / plan.latency_mean_s))
            if any(start_s <= world.now_s < end_s for start_s, end_s in plan.control_stalls):
                continue  # the broker didn't answer
            records = control.read(position, rng.choice([1, 2, 1000]))
            position = records[-1].offset + 1 if records else position
            is_at_end = position >= control.end
            await asyncio.sleep(rng.expovariate(1 / plan.latency_mean_s))
            found = [ControlRecord(r.offset, r.timestamp, r.key, r.value) for r in records]
            yield Fetched(found, begun_s if is_at_end else None)

    # Its life.

    def start(self) -> None:
        """Begin."""
        self.world.note("%s: starts", self)
        runs = [self._membership, self._commit, lambda: self.consumer.fetch(self._log.plan.fetch_s)]
        for run in [*runs, *self._runs]:
            self.loop.create_task(self._watched(run))

    async def _watched(self, run: Callable[[], Awaitable[None]]) -> None:
        try:
            await run()
        except (asyncio.CancelledError, GeneratorExit, Ended):
            raise
        except BaseException as e:
            self.problem = f"an exception came out of an agent: {e!r}"
            if not isinstance(e, Exception):
                raise
            raise Violation(self.problem) from e

    @property
    def is_flushing(self) -> bool:
        """Whether rows may be neither dirty nor on their way."""
        flusher: Any = getattr(self.drain, "__self__", None)
        return flusher is not None and any(lock.locked() for lock in flusher._locks.values())

    def die(self, why: str, *args: object) -> None:
        """End at once."""
        if self.is_alive:
            self.is_alive = False
            self.world.note("%s: " + why, self, *args)
            self.world.workers.remove(self)
            self._group.lost(self)
            self.on_death(self)

    def fatal(self, what: str, error: BaseException) -> NoReturn:
        """What `streams.fatal` does to a process."""
        self.die("ends: %s: %r", what, error)
        raise Ended

    def pause(self, for_s: float) -> None:
        """Stop for a while, as a process does that gets no processor; what comes waits."""
        if self.is_alive and not self.is_paused:
            self.is_paused = True
            self.world.note("%s: stops for %.1f s", self, for_s)
            self._group.lost(self)
            self.world.after(for_s, self._wake)

    def _wake(self) -> None:
        self.is_paused = False
        if self.is_alive:
            self.world.note("%s: wakes", self)
            asleep, self._asleep = self._asleep, []
            for event in asleep:
                event()
            if self not in self._group.members:  # it hears so with its next heartbeat
                self.world.after(self.world.rng.choice([0.0, 0.05, 0.4]), lambda: self.when_awake(self.rejoin.set))

    def when_awake(self, event: Callable[[], object]) -> None:
        """Have something happen to it now, or when it wakes."""
        if self.is_paused:
            self._asleep.append(event)
        elif self.is_alive:
            event()

    def stop(self) -> None:
        """Be told to end."""
        if self.is_alive:
            self.world.note("%s: is told to stop", self)
            self.when_awake(lambda: self.loop.create_task(self._stopping()))

    async def _stopping(self) -> None:
        await self.hand_over()
        self._group.leave(self)
        self.die("ends as told")

    # What Faust does.

    async def _membership(self) -> None:
        while True:
            self.rejoin.clear()
            joined = await self._group.join(self)
            if joined is None:
                continue
            await self._assigned(*joined)
            await self.rejoin.wait()
            self.world.note("%s: hands over %s", self, self.owned)
            self.consumer.stop_flow()
            await self.hand_over()

    async def _assigned(self, generation: int, numbers: set[int]) -> None:
        s, before = self.settings, self.consumer.assignment()
        topics = [*s.topic_names, s.engagements_topic, s.scores_topic, s.actors_changelog, s.entities_changelog]
        assigned = {TP(topic, p) for topic in topics for p in numbers}
        self.consumer.assign(assigned, generation)
        for table in self._tables:
            await table.store.on_rebalance(assigned, before - assigned, assigned - before, generation)
        await asyncio.gather(*(self._recover(table, p) for table in self._tables for p in sorted(numbers)))
        if self.rejoin.is_set():
            return
        self.own_assigned()
        self.world.note("%s: owns %s", self, self.owned)
        await asyncio.sleep(self._log.plan.latency_s(self.world))
        if not self.rejoin.is_set():
            self.consumer.seek_to_committed()
            self.consumer.is_flowing = True

    async def _recover(self, table: Table, number: int) -> None:
        """Apply a changelog up to the end it has now."""
        tp = TP(table.topic, number)
        partition = self._log[tp]
        position, end = table.store.persisted_offset(tp) + 1, partition.end
        while position < end and not self.rejoin.is_set():
            await asyncio.sleep(self._log.plan.latency_s(self.world))
            records = partition.read(position, self.world.rng.choice([2, 20, 1000]), end)
            if not records:
                break
            event = SimpleNamespace(message=SimpleNamespace(value=_range(records, position), tp=tp))
            table.store.apply_changelog_batch([event], None, None)  # type: ignore[list-item]
            position = records[-1].offset + 1

    async def _gap(self, tp: TP, first: int, end: int) -> AsyncIterator[tuple[list[bytes], list[bytes | None]]]:
        self.world.note("%s: reads %s[%d]@%d..%d, which somebody else wrote", self, *tp, first, end - 1)
        self.gaps_read += 1
        try:
            while first < end:
                await asyncio.sleep(self._log.plan.latency_s(self.world))
                records = self._log[tp].read(first, self.world.rng.choice([1, 10, 1000]), end)
                if not records:
                    return
                yield [r.key or b"" for r in records], [r.value for r in records]
                first = records[-1].offset + 1
        finally:
            self.gaps_read -= 1

    async def _commit(self) -> None:
        while True:
            await asyncio.sleep(COMMIT_S * self.world.rng.uniform(0.2, 1.0))
            await self.consumer.commit()


def _range(records: list[Any], start: int) -> Range:
    first = records[0]
    return Range(
        first.topic, first.partition, [r.offset for r in records], [r.timestamp for r in records], [r.key for r in records],
        [r.value for r in records], start,
    )  # fmt: skip
