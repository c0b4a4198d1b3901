"""What agents need of the process they run in.

The Faust app is one such host; the simulation of the core (`tests/simulation`) is another: what is behind these interfaces there
is a log in memory, a clock that a seed moves, and a store that fails on purpose, while the agents are the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from typing import Any, Protocol, TypeVar

from faust.types import TP

from agents.control import Control
from agents.counters import Counters
from agents.turns import Clock, Turns
from streams.control.state import Fetched
from streams.kafka.bulk import Acknowledged, Headers
from streams.kafka.durable import DurableOffsets
from streams.redis.feed import Feed
from streams.redis.writer import Writer
from streams.settings import Settings
from streams.tables.actor_rows import ActorRows
from streams.tables.changelog import Changelog
from streams.tables.entity_rows import EntityRows
from streams.tables.faust_table import ColumnStore, PartitionState
from streams.tables.states import ActorState, EntityState

S_co = TypeVar("S_co", bound=PartitionState, covariant=True)


class Bulk(Protocol):
    """Sends records; see `BulkProducer`."""

    async def send(
        self, topic: str, partition: int, keys: Sequence[bytes | None], values: Sequence[bytes | None],
        headers: Sequence[Headers] | None = None, timestamp_ms: int | None = None,
    ) -> list[Acknowledged]:  # fmt: skip
        """Send records in order to one partition and wait until all are acknowledged."""


class Consumer(Protocol):
    """Where ranges come from; see `BatchConsumer`."""

    def assignment(self) -> set[TP]:
        """Return the partitions assigned."""

    def highwater(self, tp: TP) -> int | None:
        """Return the end of a partition as the last fetch told it."""

    def known_end(self, tp: TP) -> int:
        """Return the offset below which there are records, as far as fetches have told."""

    def committed(self, tp: TP) -> int:
        """Return the offset last committed, as far as known here; 0 where there is none."""

    def rewind(self, tp: TP, offset: int) -> None:
        """Have a partition fetched from `offset` again, and nothing of it delivered before."""

    def resume_partitions(self, tps: set[TP]) -> None:
        """Fetch partitions again that were paused."""

    async def commit(self) -> Any:
        """Commit what is durable."""


class Table(Protocol[S_co]):
    """A table of partition states."""

    name: str

    @property
    def store(self) -> ColumnStore[Any]:
        """The store with the states."""

    def partition(self, partition: int) -> S_co:
        """Return the state of an owned partition."""


class Host(Protocol):
    """A process that agents run in. See `Ownership` for what is kept here, and what it means."""

    settings: Settings
    clock: Clock
    control: Control
    counters: Counters
    durable: DurableOffsets
    owned: set[int]
    owned_since_s: float
    handing_over: bool
    has_work: asyncio.Event
    turns: Turns
    bulk: Bulk
    actor_rows: ActorRows
    entity_rows: EntityRows
    redis_is_outdated: bool
    drain: Callable[[Collection[int]], Awaitable[None]] | None
    forget: Callable[[], None]

    @property
    def consumer(self) -> Consumer:
        """Where ranges come from."""

    @property
    def actors(self) -> Table[ActorState]:
        """The actors table."""

    @property
    def entities(self) -> Table[EntityState]:
        """The entities table."""

    def holds(self, partition: int) -> bool:
        """Return whether the rows of a partition are here; not after a hand-over that nobody waits for any longer."""

    def changelog(self, table: Table[Any], partition: int) -> Changelog:
        """Return the writer of a table's changelog of one partition."""

    def new_writer(self) -> Writer:
        """Return a connection to Redis."""

    def new_feed(self) -> Feed:
        """Return a connection to Redis that alerts are written through."""

    def follow_control(self) -> AsyncIterator[Fetched]:
        """Yield what fetches of the control topic bring, from its beginning and for ever."""

    def ranges(self, *names: str) -> Any:
        """Return the topic of fetched ranges of `names`, for `agent`."""

    def agent(self, channel: Any, *, name: str) -> Callable[[Callable[[Any], Awaitable[None]]], Any]:
        """Return a decorator that has a function take what comes from a topic."""

    def endless(self, what: str, run: Callable[[], Awaitable[None]]) -> None:
        """Have `run` run for as long as the worker; should it fail, the process ends."""
