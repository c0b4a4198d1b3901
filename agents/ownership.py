"""The life of a partition in a worker: assigned and recovered, then owned, then handed over."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Iterable
from typing import Any

from faust.types import TP

from agents.control import Control
from agents.counters import Counters
from agents.host import Bulk, Consumer, Table
from agents.turns import Clock, Turns
from streams.errors import CloutstreamError
from streams.fatal import fatal
from streams.kafka.durable import DurableOffsets
from streams.settings import Settings
from streams.tables.actor_rows import ActorRows
from streams.tables.changelog import Changelog, ReadGap
from streams.tables.entity_rows import EntityRows
from streams.tables.rescoring import Rescored, publish_anew, rescored
from streams.tables.states import ActorState, EntityState

_log = logging.getLogger("cloutstream")
Drain = Callable[[Collection[int]], Awaitable[None]]
HANDOVER_S = 5.0


class Ownership:
    """What a worker holds, and which partitions it may write for.

    `owned` are those: assigned and recovered. A partition number is owned in all topics or in none, so that what intake, scorer
    and publisher of a partition need is in one process. `actor_rows` and `entity_rows` hold the rows of all of them.

    Args:
        settings: of the deployment.
        read_gap: how a changelog's records that somebody else wrote are read.
        clock: the time.
    """

    consumer: Any  # a `Consumer`; of a Faust app, whose types don't know our transport's
    bulk: Bulk
    actors: Table[ActorState]
    entities: Table[EntityState]

    def __init__(self, settings: Settings, read_gap: ReadGap, clock: Clock = time) -> None:
        self.settings, self.clock = settings, clock
        self.durable = DurableOffsets()
        self.owned: set[int] = set()
        self.owned_since_s = float("-inf")  # when the last assignment was recovered, epoch s
        self.has_work = asyncio.Event()  # for intake: something was fetched, or may be taken now
        self.handing_over = False
        self.turns = Turns(clock)
        self.counters = Counters()
        self.control = Control()
        self.assigned = False  # the group's last assignment is in force
        self.recovered = False  # and its rows are read
        self._handing_over_now = asyncio.Lock()
        self._draining: asyncio.Future[None] | None = None
        self._is_durable = False  # what the last hand-over drained
        self.drain: Drain | None = None  # make everything durable now
        self.forget: Callable[[], None] = lambda: None  # let go of what was fetched and not yet taken
        self.actor_rows, self.entity_rows = ActorRows(settings.topic_names), EntityRows(settings)
        self._read_gap = read_gap
        self._changelogs: dict[tuple[str, int], Changelog] = {}
        self._rescored: set[int] = set()  # partitions whose scores are known to be of this process's formula
        self.redis_is_outdated = False  # scores there are of another formula: it is to be filled again

    def holds(self, partition: int) -> bool:
        """Return whether the rows of a partition are here; not after a hand-over that nobody waits for any longer."""
        return partition in self.entities.store.partitions and partition in self.actors.store.partitions

    def changelog(self, table: Table[Any], partition: int) -> Changelog:
        """Return the writer of a table's changelog of one partition."""
        found = self._changelogs.get((table.name, partition))
        if found is None:
            topic = table.store.table.changelog_topic.get_topic_name()
            found = self._changelogs[table.name, partition] = Changelog(table.store, topic, partition, self.bulk, self._read_gap)
        return found

    def changelog_repairs(self) -> int:
        """Return how often records of another worker in a changelog of ours were written over."""
        return sum(changelog.repaired_gaps for changelog in self._changelogs.values())

    async def hand_over(self, within_s: float = HANDOVER_S) -> None:
        """Make durable what was taken, commit it, and own nothing.

        Bounded: what doesn't become durable in time is read again by the next owner, who drops what it already has.
        """
        self.assigned = self.recovered = False
        owned, self.owned = self.owned, set()
        self.forget()
        # A stop may come while a rebalance hands over: it must wait for that, or it would close the producer under it.
        async with self._handing_over_now:
            if owned and self.drain is not None:
                self.handing_over = True
                # Not cancelled when time is up: a flush cut off would leave rows that are neither dirty nor durable.
                self._is_durable = False
                self._draining = asyncio.ensure_future(self._drain_and_commit(self.drain, owned))
                await asyncio.wait({self._draining}, timeout=within_s)
                if self._draining.done():
                    self._draining.result()
                elif not self._is_durable:
                    # What is still under way may land behind rows of the next owner. Should that be us, it begins from nothing:
                    # else rows here could be neither what is in the changelog nor dirty.
                    for table in (self.actors, self.entities):
                        table.store.reset_state()
                self.handing_over = False

    async def _drain_and_commit(self, drain: Drain, owned: set[int]) -> None:
        await drain(owned)
        self._is_durable = True
        # Twice: the first may only have waited for a commit of less that was under way. Later they are another worker's.
        for _ in range(2):
            if self.handing_over and await self.consumer.commit():
                break

    @property
    def is_drained(self) -> bool:
        """Whether no hand-over is still under way."""
        return self._draining is None or self._draining.done()

    async def run_endless(self, what: str, run: Callable[[], Awaitable[None]]) -> None:
        """Have `run` run for as long as the worker; should it fail, the process ends: Faust would go on without it."""
        try:
            await run()
        except asyncio.CancelledError:
            raise
        except BaseException as e:
            fatal(f"{what} failed", e)

    def own_assigned(self) -> None:
        """Own what is assigned, now that it is recovered."""
        consumer: Consumer = self.consumer
        assigned = consumer.assignment()
        self.durable.drop([tp for tp in self.durable if tp not in assigned])
        owned = owned_partitions(assigned, self.settings)
        self._check_formula(owned)
        self.owned, self.owned_since_s = owned, self.clock.time()
        self.recovered = True
        self.has_work.set()
        _log.info("ready: partitions %s of %d", sorted(self.owned), self.settings.partitions)

    def _check_formula(self, owned: set[int]) -> None:
        """Have scores told anew that this formula gives otherwise; end the process when that are too many (`model.md` 5)."""
        recovered = {p: rescored(self.entity_rows, p) for p in owned - self._rescored}
        self._rescored = owned
        found = Rescored.total(recovered.values())
        if found.is_breaking and self.settings.rescore != "accept":
            fatal(f"the scores recovered of partitions {sorted(recovered)} would jump", CloutstreamError(found.warning()))
        if found.moved:
            _log.warning("%s; all are published anew", found)
            publish_anew(self.entity_rows, recovered.values())
            self.redis_is_outdated = True


def owned_partitions(assigned: Iterable[TP], settings: Settings) -> set[int]:
    """Return the partition numbers assigned; ends the process when they differ between topics (`design.md` 2.6)."""
    by_topic: dict[str, set[int]] = {}
    for tp in assigned:
        by_topic.setdefault(tp.topic, set()).add(tp.partition)
    sets = list(by_topic.values())
    if any(s != sets[0] for s in sets):
        detail = {topic: sorted(numbers) for topic, numbers in by_topic.items()}
        error = CloutstreamError(f"partitions differ between topics: {detail}; expected the same numbers of each")
        fatal("the assignment can't work: is a worker of another version in the group?", error)
    return sets[0] if sets else set()
