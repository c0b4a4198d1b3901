"""The Faust app: two tables, and the life of a partition from assignment to hand-over."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, cast

import faust
from faust.events import Event
from faust.topics import Topic
from faust.types import TP
from prometheus_client.core import Metric

from agents.counters import Counters
from agents.turns import Turns
from streams.errors import ConfigurationError
from streams.fatal import fatal
from streams.kafka.bulk import BulkProducer
from streams.kafka.durable import DurableOffsets
from streams.settings import Settings
from streams.tables.actor_rows import ActorRows
from streams.tables.changelog import Changelog
from streams.tables.entity_rows import EntityRows
from streams.tables.faust_table import ColumnTable
from streams.tables.states import ActorState, EntityState

_log = logging.getLogger("cloutstream")
HANDOVER_S, STOP_HANDOVER_S = 5.0, 4.0


class RangeTopic(Topic):
    """A topic of the batched transport: an event's value is the fetched range as it is."""

    def _compile_decode(self) -> None:
        app = self.app

        async def decode(message: Any, *, propagate: bool = False) -> Any:
            return Event(app, None, message.value, {}, message)

        self.decode = decode  # type: ignore[method-assign]  # as Faust's own does


class CloutstreamApp(faust.App):
    """A worker's app.

    `owned` are the partitions this worker may write for: assigned and recovered. A partition number is owned in all topics or
    in none, so that what intake, scorer and publisher of a partition need is in one process. `actor_rows` and `entity_rows` hold
    the rows of all of them.
    """

    def __init__(self, settings: Settings, **options: Any) -> None:
        self.settings = settings
        self.durable = DurableOffsets()
        self.owned: set[int] = set()
        self.has_work = asyncio.Event()  # for intake: something was fetched, or may be taken now
        self.handing_over = False
        self.stop_began_s = 0.0  # steady clock
        self.turns = Turns()
        self.bulk = BulkProducer(settings)
        self.counters = Counters()
        self.assigned = False  # the group's last assignment is in force
        self.recovered = False  # and its rows are read
        self._handing_over_now = asyncio.Lock()
        self._draining: asyncio.Future[None] | None = None
        self.drain: Any = None  # async callable: make everything durable now
        self.metrics: Callable[[], list[Metric]] = list  # as of now; to be called on the event loop
        self.forget: Callable[[], None] = lambda: None  # let go of what was fetched and not yet taken
        self._changelogs: dict[tuple[str, int], Changelog] = {}
        self.actor_rows, self.entity_rows = ActorRows(), EntityRows(settings)
        super().__init__(settings.app_id, **options)
        self.actors: ColumnTable[ActorState] = self._table("actors", lambda p: ActorState(self.actor_rows, p))
        self.entities: ColumnTable[EntityState] = self._table("entities", lambda p: EntityState(self.entity_rows, p))
        self.on_partitions_revoked.connect(cast(Any, self._on_revoked))
        self.on_partitions_assigned.connect(cast(Any, self._on_assigned))
        self.on_rebalance_complete.connect(cast(Any, self._on_recovered))

    def _table(self, name: str, new_state: Any) -> Any:
        topic = self.ranges(f"{self.settings.app_id}-{name}-changelog", acks=False)
        return self.tables.add(
            ColumnTable(self, new_state=new_state, name=name, partitions=self.settings.partitions, changelog_topic=topic)
        )

    def ranges(self, *names: str, acks: bool = True) -> RangeTopic:
        """Return the topic of fetched ranges of `names`."""
        return RangeTopic(
            self,
            topics=names,
            partitions=self.settings.partitions,
            key_type=bytes,
            value_type=bytes,
            acks=acks,
            internal=not acks,
        )

    def endless(self, what: str, run: Callable[[], Awaitable[None]]) -> None:
        """Have `run` run for as long as the worker; should it fail, the process ends: Faust would go on without it."""

        async def running() -> None:
            try:
                await run()
            except asyncio.CancelledError:
                raise
            except BaseException as e:
                fatal(f"{what} failed", e)

        self.task(running)

    def on_committed(self) -> None:
        """Note a commit that succeeded; the transport calls it."""
        self.counters.commit(time.time())

    def changelog(self, table: ColumnTable[Any], partition: int) -> Changelog:
        """Return the writer of a table's changelog of one partition."""
        found = self._changelogs.get((table.name, partition))
        if found is None:
            topic = table.changelog_topic.get_topic_name()
            found = self._changelogs[table.name, partition] = Changelog(table.store, topic, partition, self.bulk, self.settings)
        return found

    async def on_first_start(self) -> None:
        """Connect the producer that all agents send through. Faust's data directories aren't made: nothing is kept on disk."""
        await self.bulk.start()

    async def on_stop(self) -> None:
        """Make durable what was taken, commit it, then let go. Each step is bounded: a supervisor waits about 10 s."""
        self.stop_began_s = time.monotonic()
        await self._hand_over(STOP_HANDOVER_S)
        await super().on_stop()
        if self._draining is None or self._draining.done():
            await self.bulk.stop()
        else:
            # Somebody still sends, and a producer closed under it would be a failed send. Who comes next repeats that work.
            _log.warning("what was taken last didn't become durable within %g s of the stop; it is taken again", STOP_HANDOVER_S)

    async def _on_revoked(self, _sender: Any, revoked: Iterable[TP], **_: Any) -> None:
        await self._hand_over(HANDOVER_S)

    async def _on_assigned(self, _sender: Any, assigned: Iterable[TP], **_: Any) -> None:
        self.assigned = True

    async def _hand_over(self, within_s: float) -> None:
        """Bounded: what doesn't become durable in time is read again by the next owner, who drops what it already has."""
        self.assigned = self.recovered = False
        owned, self.owned = self.owned, set()
        self.forget()
        # A stop may come while a rebalance hands over: it must wait for that, or it would close the producer under it.
        async with self._handing_over_now:
            if owned and self.drain is not None:
                self.handing_over = True
                # Not cancelled when time is up: a flush cut off would leave rows that are neither dirty nor durable.
                self._draining = asyncio.ensure_future(self._drain_and_commit(owned))
                await asyncio.wait({self._draining}, timeout=within_s)
                if self._draining.done():
                    self._draining.result()
                self.handing_over = False

    async def _drain_and_commit(self, owned: set[int]) -> None:
        await self.drain(owned)
        if self.handing_over:  # else they are another worker's by now
            await self.consumer.commit()

    async def _on_recovered(self, _sender: Any, **_: Any) -> None:
        if self.should_stop:  # a recovery that ends while the worker does: nothing is owned any more
            return
        assigned = self.consumer.assignment()
        self.durable.drop([tp for tp in self.durable if tp not in assigned])
        self.owned = owned_partitions(assigned, self.settings)
        self.recovered = True
        self.has_work.set()
        _log.info("ready: partitions %s of %d", sorted(self.owned), self.settings.partitions)


def owned_partitions(assigned: Iterable[TP], settings: Settings) -> set[int]:
    """Return the partition numbers assigned; ends the process when they differ between topics (`design.md` 2.6)."""
    by_topic: dict[str, set[int]] = {}
    for tp in assigned:
        by_topic.setdefault(tp.topic, set()).add(tp.partition)
    sets = list(by_topic.values())
    if any(s != sets[0] for s in sets):
        detail = {topic: sorted(numbers) for topic, numbers in by_topic.items()}
        error = ConfigurationError(f"partitions differ between topics: {detail}; expected the same numbers of each")
        fatal("the assignment can't work: is a worker of another version in the group?", error)
    return sets[0] if sets else set()


def create_app(settings: Settings) -> CloutstreamApp:
    """Return an app without agents; `agents.build` adds them in the order of the flow."""
    from streams.kafka.security import faust_broker

    broker, credentials = faust_broker(settings)
    return CloutstreamApp(
        settings,
        broker=broker,
        broker_credentials=credentials,
        store="memory://",
        topic_partitions=settings.partitions,
        topic_replication_factor=settings.replication,
        topic_allow_declare=False,  # created beforehand, with the configuration tables need
        topic_disable_leader=True,
        web_enabled=False,  # Faust's own listens on all addresses and shows table data
        stream_wait_empty=False,
        stream_buffer_maxsize=8,  # ranges, each of thousands of records
        stream_recovery_delay=0.0,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=8 << 20,
        broker_max_poll_records=settings.max_poll_records,
        broker_session_timeout=settings.session_timeout_s,
        broker_heartbeat_interval=settings.session_timeout_s / 4,
        broker_rebalance_timeout=settings.session_timeout_s,
        broker_request_timeout=max(30.0, settings.session_timeout_s + 5),
        broker_commit_interval=0.5,
        table_standby_replicas=0,
        worker_redirect_stdouts=False,
    )
