"""Runs one schedule: workers come, crash, stop, wake and leave; then all is calm, and everything is checked."""

from __future__ import annotations

import contextlib
import logging
import sys
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn

import orjson
from faust.types import TP

import agents.alerter
import agents.discretion
import agents.fetched
import agents.intake
import agents.publisher
import agents.rebuilder
import agents.scorer
import streams.control.campaigns
import streams.control.state
import streams.events.duplicates
import streams.fatal
import streams.redis.forgetting
import streams.redis.writer
import streams.tables.flush
import streams.tables.forgetting
import streams.verify.campaigns
import streams.verify.inputs

from .definitions import Definitions, defined
from .events import Events
from .forgetting import still_named
from .group import Group
from .log import Log
from .oracle import check
from .plan import Plan
from .store import Store
from .watch import Watch
from .worker import Worker
from .world import Violation, World

SETTLE_S = 90.0
# What happens every minute, every second: idle time is only idle.
MARKER_REFRESH_S = 0.5


@dataclass
class Result:
    """What a schedule was and how it ended; `violation` is None when all held."""

    seed: int
    plan: Plan
    steps: int = 0
    crashes: int = 0
    zombies: int = 0
    wipes: int = 0
    repairs: int = 0
    virtual_s: float = 0.0
    violation: str | None = None
    trace: list[tuple[float, str, tuple[Any, ...]]] = field(default_factory=list)

    def lines(self, last: int) -> list[str]:
        """Return the end of what happened, for people."""
        return [f"{at_s:9.4f} s  {what % args if args else what}" for at_s, what, args in self.trace[-last:]]


_running: list[World] = []

# Sizes that a schedule never reaches, made small: a flush of several pieces, a round that is full, a ring of ids that goes round.
_SMALL = (
    (agents.scorer, "FOLD_ENGAGEMENTS", 12),
    (streams.tables.flush, "PIECE_ROWS", 5),
    (agents.fetched, "ROUND_EVENTS", 12),
    (agents.intake, "RECORD_BYTES", 700),
    (agents.publisher, "SLICE", 4),
    (agents.rebuilder, "SLICE", 4),
    (streams.tables.forgetting, "SLICE", 3),
    (streams.redis.forgetting, "_PAGE", 2),
    (streams.redis.writer, "ENTITIES_PER_CALL", 3),
    (streams.events.duplicates, "BLOCK", 4),
    (streams.events.duplicates, "BLOCKS", 32),
    (streams.events.duplicates, "_RING", 128),
    (streams.events.duplicates, "WINDOW", 24),
    (streams.verify.inputs, "DUPLICATE_WINDOW", 24),
)
# What takes seconds takes a fifth of them.
_ALWAYS = (
    (agents.scorer, "MARKER_REFRESH_S", MARKER_REFRESH_S),
    (agents.intake, "MARKER_REFRESH_S", MARKER_REFRESH_S),
    (agents.alerter, "LOOK_INTERVAL_S", 0.1),
    (agents.discretion, "LOOK_INTERVAL_S", 0.1),
    (agents.discretion, "ERASE_INTERVAL_S", 0.2),
    (streams.tables.forgetting, "INTERVAL_S", 0.2),
    (streams.control.campaigns, "ACTIVATION_S", 0.4),
    (streams.control.state, "MARGIN_S", 0.2),
    (streams.verify.campaigns, "ACTIVATION_MS", 400),
)


@contextlib.contextmanager
def _scaled(is_small: bool) -> Iterator[None]:
    """Have constants that suit a schedule."""
    changed = [(module, name, getattr(module, name), value) for module, name, value in (*_ALWAYS, *(_SMALL if is_small else ()))]
    for module, name, _, value in changed:
        setattr(module, name, value)
    try:
        yield
    finally:
        for module, name, value, _ in changed:
            setattr(module, name, value)


def _fatal(what: str, error: BaseException) -> NoReturn:
    _running[-1].running.fatal(what, error)


@contextlib.contextmanager
def in_this_process() -> Iterator[None]:
    """Have `fatal` end a simulated worker, not the process, and nothing logged."""
    modules = [m for name, m in list(sys.modules.items()) if name.startswith(("agents.", "streams.")) and hasattr(m, "fatal")]
    modules = [m for m in modules if m is not streams.fatal and m.fatal is streams.fatal.fatal]
    log = logging.getLogger("cloutstream")
    was_disabled, log.disabled = log.disabled, True
    for module in modules:
        module.fatal = _fatal
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # coroutines of workers that died were never awaited
            yield
    finally:
        log.disabled = was_disabled
        for module in modules:
            module.fatal = streams.fatal.fatal


class Schedule:
    """One run.

    Args:
        seed: decides everything.
        plan: what goes wrong.
    """

    def __init__(self, seed: int, plan: Plan) -> None:
        self.plan = plan
        self.result = Result(seed, self.plan)
        self.world = World(seed)
        self.world.step_s = self.plan.step_s
        self.log = Log(self.world, self.plan)
        self.store = Store()
        self.group = Group(self.world, self.plan)
        self.watch = Watch(self.world, self.plan, self.log, self.store, self.group)
        self.group.on_commit = self.watch.committed
        self._crashes = list(self.plan.crash_steps)
        self._incarnations: list[Worker] = []
        self._is_calm = False

    def run(self) -> Result:
        """Run; a violation is in the result."""
        _running.append(self.world)
        try:
            self._arrange()
            plan = self.plan
            busy_s = max(plan.span_s + 0.3, plan.joins_s, *plan.leaves_s, *plan.wipes_s, *plan.compactions_s, 0.0)
            busy_s = max([busy_s, *(at_s + for_s for at_s, for_s in plan.pauses)])
            self.world.run(busy_s)
            self._settle()
            check(self.plan.settings(), self.log, self.store, self.watch.inputs, self._live())
            self.watch.check_told()
        except Violation as e:
            self.result.violation = str(e)
        except Exception as e:
            self.result.violation = f"{e!r}\n{traceback.format_exc()}"
        finally:
            self._close()
        return self.result

    def _arrange(self) -> None:
        world, plan = self.world, self.plan
        Events(world, plan, self.log).arrange()
        Definitions(world, plan, self.log).arrange()
        self._start("A")
        if plan.workers > 1:
            world.at(plan.joins_s, lambda: self._start("B"))
        for at_s in plan.leaves_s:
            world.at(at_s, lambda: self._any(Worker.stop))
        for at_s, for_s in plan.pauses:
            world.at(at_s, lambda for_s=for_s: self._any(lambda worker: self._pause(worker, for_s)))
        for at_s in plan.wipes_s:
            world.at(at_s, self._wipe)
        for at_s in plan.compactions_s:
            world.at(at_s, self._compact)

    def _start(self, name: str) -> None:
        dies_at = self._crashes.pop(0) if self._crashes and not self._is_calm else 0
        number = sum(str(worker).startswith(name) for worker in self._incarnations) + 1
        worker = Worker(self.world, self.log, self.group, self.store, f"{name}{number}", dies_at)
        worker.on_death = self._died
        self._incarnations.append(worker)
        self.world.workers.append(worker)
        worker.start()

    def _died(self, worker: Worker) -> None:
        self.result.crashes += 1
        again_s = self.world.rng.choice([0.0, 0.1, 0.5])
        self.world.after(again_s, lambda: self._start(str(worker)[0]))

    def _live(self) -> list[Worker]:
        return [worker for worker in self._incarnations if worker.is_alive]

    def _any(self, do: Any) -> None:
        live = [worker for worker in self._live() if not worker.is_paused]
        if live:
            do(self.world.rng.choice(live))

    def _pause(self, worker: Worker, for_s: float) -> None:
        worker.pause(for_s)
        if for_s > self.plan.session_s:
            self.result.zombies += 1
            if len(self._live()) < 2:
                self.world.after(self.plan.session_s, lambda: self._start("B"))

    def _wipe(self) -> None:
        self.world.note("Redis is wiped")
        self.result.wipes += 1
        self.watch.wiped()
        self.store.wipe(with_scripts=self.world.chance(0.5))

    def _compact(self) -> None:
        s, before_ms = self.plan.settings(), int((self.world.time() - self.plan.compaction_lag_s) * 1000)
        for topic in (s.actors_changelog, s.entities_changelog, s.scores_topic, s.control_topic):
            for p in range(s.partitions):
                gone = self.log[TP(topic, p)].compact(before_ms)
                if gone:
                    self.world.note("compaction: %d records of %s[%d] go", gone, topic, p)
        self.watch.compacted()

    def _settle(self) -> None:
        """Have nothing go wrong any more, and wait until all is done."""
        world = self.world
        world.note("from here on nothing goes wrong")
        self.plan.calm()
        self._is_calm = True
        for worker in self._live():
            worker.dies_at_step = 0
        is_settled = world.run(world.now_s + SETTLE_S, self._is_settled)
        self._look_for_problems()
        if not is_settled:
            raise Violation(f"not done after {SETTLE_S:.0f} s: {self._undone()}")
        world.run(world.now_s + MARKER_REFRESH_S + 2 * self.plan.tick_ms / 1000)
        if not world.run(world.now_s + SETTLE_S, self._is_settled):
            raise Violation(f"not done after {SETTLE_S:.0f} s: {self._undone()}")
        self._look_for_problems()

    def _look_for_problems(self) -> None:
        for worker in self._incarnations:
            if worker.problem is not None:
                raise Violation(f"{worker}: {worker.problem}")

    def _is_settled(self) -> bool:
        return any(worker.problem is not None for worker in self._incarnations) or not self._undone()

    def _undone(self) -> str:
        s = self.plan.settings()
        for p in range(s.partitions):
            for topic in (*s.topic_names, s.engagements_topic, s.scores_topic):
                tp = TP(topic, p)
                if self.group.committed.get(tp, 0) < self.log[tp].end:
                    return f"{topic}[{p}] is committed to {self.group.committed.get(tp, 0)} of {self.log[tp].end}"
        owned = sorted(p for worker in self._live() for p in worker.owned)
        if owned != list(range(s.partitions)) or not self.group.is_stable(self._live()):
            return f"partitions {owned} of {s.partitions} are owned"
        if self.log.under_way:
            return "a request is under way"
        for worker in self._live():
            is_dirty = worker.entity_rows.dirty.any() or worker.actor_rows.dirty.any()
            if worker.is_paused or is_dirty or worker.is_flushing or worker.bulk.is_busy or worker.gaps_read:
                return f"{worker} has something to write"
        if s.redis_prefix + "epoch" not in self.store.data:
            return "Redis is not complete"
        told = {name: orjson.loads(text) for name, text in self.store.data.get(s.redis_prefix + "campaigns", {}).items()}
        campaigns = {c.name: orjson.loads(orjson.dumps(c.as_dict())) for c in defined(self.log, self.plan).campaigns}
        if told != campaigns:
            return f"campaigns in Redis are {told}, expected {campaigns}"
        counts = self.store.data.get(s.redis_prefix + "people", {})
        for worker in self._live():
            for p in worker.owned:
                for name, n in worker.entities.partition(p).people.counts().items():
                    if counts.get(name) != n:
                        return f"{n} people of {name} aren't in Redis"
        return still_named(s, self.log, self.store, tuple(person for _, person in self.plan.forgets))

    def _close(self) -> None:
        result, world = self.result, self.world
        result.steps, result.virtual_s, result.trace = world.steps, world.now_s, world.trace
        for worker in self._incarnations:
            result.repairs += worker.changelog_repairs()
            worker.is_alive = False
            worker.loop.close_tasks()
        world.close()
        _running.pop()


def run(seed: int, plan: Plan | None = None) -> Result:
    """Run a seed's schedule."""
    plan = plan or Plan.of(seed)
    with in_this_process(), _scaled(plan.is_small):
        return Schedule(seed, plan).run()
