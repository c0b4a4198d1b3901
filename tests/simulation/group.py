"""The consumer group: who has which partitions, and what is committed. Eager: all hand over, then all are assigned anew."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from faust.types import TP

from .plan import Plan
from .world import World

REBALANCE_S = 7.0  # a member that hasn't handed over by then is left out


class Group:
    """The coordinator."""

    def __init__(self, world: World, plan: Plan) -> None:
        self._world, self._plan = world, plan
        self.generation = 0
        self.committed: dict[TP, int] = {}
        self.on_commit: Callable[[TP, int, int], None] = lambda *_: None  # partition, offset before, offset
        self.members: dict[Any, set[int]] = {}
        self._joining: dict[Any, asyncio.Future[tuple[int, set[int]] | None]] = {}
        self._is_rebalancing = False
        self._round = 0

    def join(self, worker: Any) -> asyncio.Future[tuple[int, set[int]] | None]:
        """Have a worker take part; its generation and partitions come when all have joined, None when it must ask again."""
        answer = worker.loop.create_future()
        self._joining[worker] = answer
        self.members.setdefault(worker, set())
        if not self._is_rebalancing:
            self._begin()
        self._complete_if_all_joined()
        return answer

    def is_stable(self, live: list[Any]) -> bool:
        """Return whether these are the members, and all of one generation."""
        return not self._is_rebalancing and set(live) == set(self.members) and not any(w.rejoin.is_set() for w in live)

    def leave(self, worker: Any) -> None:
        """A worker says that it goes."""
        self._remove(worker)

    def lost(self, worker: Any) -> None:
        """A worker isn't heard of any more: its partitions go to others when its session is over."""

        def is_over() -> None:
            if worker in self.members and (not worker.is_alive or worker.is_paused):
                self._world.note("%s: its session is over", worker)
                self._remove(worker)

        self._world.after(self._plan.session_s, is_over)

    def commit(self, worker: Any, generation: int, offsets: dict[TP, int]) -> bool:
        """Commit for a member of this generation; return whether it is one."""
        if generation != self.generation or worker not in self.members:
            return False
        for tp, offset in offsets.items():
            before = self.committed.get(tp, 0)
            self.committed[tp] = offset
            self.on_commit(tp, before, offset)
        return True

    def _remove(self, worker: Any) -> None:
        answer = self._joining.pop(worker, None)
        if answer is not None:  # it has to ask again
            worker.when_awake(lambda: _tell(worker, answer, None))
        if self.members.pop(worker, None) is not None:
            if not self._is_rebalancing:
                self._begin()
            self._complete_if_all_joined()

    def _begin(self) -> None:
        self._is_rebalancing = True
        self._round += 1
        number = self._round
        self._world.note("group: a rebalance begins")
        for worker in self.members:
            if worker not in self._joining:
                heard_s = self._world.rng.uniform(0, 0.05)  # with its next heartbeat
                self._world.after(heard_s, lambda worker=worker: worker.when_awake(worker.rejoin.set))
        self._world.after(REBALANCE_S, lambda: self._complete(number))

    def _complete_if_all_joined(self) -> None:
        if self._is_rebalancing and all(worker in self._joining for worker in self.members):
            self._complete(self._round)

    def _complete(self, number: int) -> None:
        if number != self._round or not self._is_rebalancing:
            return
        self._is_rebalancing = False
        for late in [worker for worker in self.members if worker not in self._joining]:
            del self.members[late]
            if late.is_alive:
                late.when_awake(late.rejoin.set)
        self.generation += 1
        held = {p: worker for worker, partitions in self.members.items() for p in partitions}
        members = list(self.members)
        for worker in members:
            self.members[worker] = set()
        for p in range(self._plan.partitions) if members else ():
            keeps = held.get(p) in self.members and self._world.chance(0.5)
            self.members[held[p] if keeps else self._world.rng.choice(members)].add(p)
        self._world.note("group: generation %d is %s", self.generation, dict(self.members))
        joining, self._joining = self._joining, {}
        for worker, answer in joining.items():
            assigned = (self.generation, set(self.members[worker]))
            delay_s = self._plan.latency_s(self._world)
            self._world.after(delay_s, lambda w=worker, a=answer, v=assigned: w.when_awake(lambda: _tell(w, a, v)))


def _tell(worker: Any, answer: asyncio.Future[Any], value: Any) -> None:
    if worker.is_alive and not answer.done():
        answer.set_result(value)
