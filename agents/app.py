"""The Faust app: two tables, and what Faust tells of the life of a partition."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from functools import partial
from typing import Any, cast

import faust
from faust.events import Event
from faust.topics import Topic
from faust.types import TP
from prometheus_client.core import Metric

from agents.ownership import Ownership
from agents.recovering import end_when_stuck, unread
from streams.control.following import follow
from streams.control.state import Fetched
from streams.errors import CloutstreamError
from streams.fatal import fatal
from streams.kafka.bulk import BulkProducer
from streams.kafka.gap import read_gap
from streams.redis.feed import Feed
from streams.redis.writer import Writer
from streams.settings import Settings
from streams.tables.faust_table import ColumnTable
from streams.tables.states import ActorState, EntityState

_log = logging.getLogger("cloutstream")
STOP_HANDOVER_S = 4.0


class RangeTopic(Topic):
    """A topic of the batched transport: an event's value is the fetched range as it is."""

    def _compile_decode(self) -> None:
        app = self.app

        async def decode(message: Any, *, propagate: bool = False) -> Any:
            return Event(app, None, message.value, {}, message)

        self.decode = decode  # type: ignore[method-assign]  # as Faust's own does


class CloutstreamApp(Ownership, faust.App):
    """A worker's app."""

    def __init__(self, settings: Settings, **options: Any) -> None:
        Ownership.__init__(self, settings, partial(read_gap, settings))
        self.bulk = self._bulk_producer = BulkProducer(settings)
        self.stop_began_s = 0.0  # steady clock
        self.metrics: Callable[[], list[Metric]] = list  # as of now; to be called on the event loop
        faust.App.__init__(self, settings.app_id, **options)
        self.actors = self._table("actors", lambda p: ActorState(self.actor_rows, p))
        self.entities = self._table("entities", lambda p: EntityState(self.entity_rows, p))
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
        """Have `run` run for as long as the worker; see `run_endless`."""

        async def running() -> None:
            await self.run_endless(what, run)

        self.task(running)

    def new_writer(self) -> Writer:
        """Return a connection to Redis."""
        return Writer(self.settings)

    def new_feed(self) -> Feed:
        """Return a connection to Redis that alerts are written through."""
        return Feed(self.settings)

    def follow_control(self) -> AsyncIterator[Fetched]:
        """Yield what fetches of the control topic bring, from its beginning and for ever."""
        return follow(self.settings)

    def on_committed(self) -> None:
        """Note a commit that succeeded; the transport calls it."""
        self.counters.commit(time.time())

    def on_fetched(self) -> None:
        """Note that a fetch ended, with records or without; the transport calls it."""
        self.counters.fetches += 1

    async def on_first_start(self) -> None:
        """Connect the producer that all agents send through. Faust's data directories aren't made: nothing is kept on disk."""
        end_when_stuck(self._recovery)
        await self._bulk_producer.start()

    async def on_stop(self) -> None:
        """Make durable what was taken, commit it, then let go. Each step is bounded: a supervisor waits about 10 s."""
        self.stop_began_s = time.monotonic()
        await self.hand_over(STOP_HANDOVER_S)
        await super().on_stop()
        if self.is_drained:
            await self._bulk_producer.stop()
        else:
            # Somebody still sends, and a producer closed under it would be a failed send. Who comes next repeats that work.
            _log.warning("what was taken last didn't become durable within %g s of the stop; it is taken again", STOP_HANDOVER_S)

    async def _on_revoked(self, _sender: Any, revoked: Iterable[TP], **_: Any) -> None:
        await self.hand_over()

    async def _on_assigned(self, _sender: Any, assigned: Iterable[TP], **_: Any) -> None:
        self.assigned = True

    async def _on_recovered(self, _sender: Any, **_: Any) -> None:
        # A recovery may end while the worker does, or after its partitions were handed over: nothing is owned any more. And Faust
        # begins to say so of one that a rebalance cut short, before it cancels that and reads the rest.
        is_cut_short = self._recovery.signal_recovery_start.is_set()
        if self.assigned and not self.should_stop and not is_cut_short:
            if missing := list(unread(self._recovery, (self.actors, self.entities))):
                fatal("recovering the tables failed", CloutstreamError("; ".join(missing)))
            self.own_assigned()

    @property
    def _recovery(self) -> Any:
        return cast(Any, self.tables).recovery


def create_app(settings: Settings) -> CloutstreamApp:
    """Return an app without agents; `agents.build` adds them in the order of the flow."""
    return CloutstreamApp(settings, **app_options(settings))


def app_options(settings: Settings) -> dict[str, Any]:
    """Return what a Faust app on the batched transport is made with."""
    from streams.kafka.security import faust_broker

    broker, credentials = faust_broker(settings)
    return {
        "broker": broker,
        "broker_credentials": credentials,
        "store": "memory://",
        "topic_partitions": settings.partitions,
        "topic_replication_factor": settings.replication,
        "topic_allow_declare": False,  # created beforehand, with the configuration tables need
        "topic_disable_leader": True,
        "web_enabled": False,  # Faust's own listens on all addresses and shows table data
        "stream_wait_empty": False,
        "stream_buffer_maxsize": 8,  # ranges, each of thousands of records
        "stream_recovery_delay": 0.0,
        "consumer_auto_offset_reset": "earliest",
        "consumer_max_fetch_size": 8 << 20,
        "broker_max_poll_records": settings.max_poll_records,
        "broker_session_timeout": settings.session_timeout_s,
        "broker_heartbeat_interval": settings.session_timeout_s / 4,
        "broker_rebalance_timeout": settings.session_timeout_s,
        "broker_request_timeout": max(30.0, settings.session_timeout_s + 5),
        "broker_commit_interval": 0.5,
        "table_standby_replicas": 0,
        "worker_redirect_stdouts": False,
    }
