"""A Faust table whose rows are columns: Faust assigns and recovers its partitions; rows never pass through its mapping.

Faust's memory store forgets how far it has read, mixes partitions, and keeps rows of partitions that moved away. This one keeps a
state object per partition, says how far each was read or written itself, and drops those that belong to another worker.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, Protocol, TypeVar, cast

import faust
from faust.stores import base
from faust.types import TP, EventT

from streams.fatal import fatal

RECOVERY_BUFFER = 2  # ranges, each of thousands of records; 1 would leave changelogs resumed for good (Faust)


class PartitionState(Protocol):
    """What a store keeps for one partition."""

    def load(self, keys: Sequence[bytes], values: Sequence[bytes | None]) -> None:
        """Apply changelog records in order."""

    def drop(self) -> None:
        """Forget the partition."""


S = TypeVar("S", bound=PartitionState)


class ColumnStore(base.Store[Any, Any], Generic[S]):
    """Partition states of one table."""

    def __init__(self, *args: Any, new_state: Callable[[int], S], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._new_state = new_state
        self.data: dict[Any, Any] = {}  # Faust's mapping: always empty
        self.partitions: dict[int, S] = {}
        self._offsets: dict[TP, int] = {}

    def partition(self, partition: int) -> S:
        """Return the state of a partition, made on first use."""
        found = self.partitions.get(partition)
        if found is None:
            found = self.partitions[partition] = self._new_state(partition)
        return found

    def persisted_offset(self, tp: TP) -> int:
        """Return the last changelog offset that the state holds; -1 when it holds nothing.

        Never None, as Faust's stores say it: recovery then goes on from where it last was in a partition that this process kept
        through a rebalance, and rows let go of in between (`reset_state`) would be missing for good.
        """
        return self._offsets.get(tp, -1)

    def set_persisted_offset(self, tp: TP, offset: int) -> None:
        """Note that the changelog up to `offset` is in the state: read, or written and acknowledged."""
        self._offsets[tp] = max(offset, self.persisted_offset(tp))

    def apply_changelog_batch(self, batch: Iterable[EventT[Any]], to_key: Any, to_value: Any) -> None:
        """Apply ranges read during recovery. A failure ends the process: Faust would log it and go on without the rows.

        What was read of a partition that has moved away is left out; of a topic that recovery doesn't know, Faust may hand a
        range to whatever table it filled last. So is what has a hole before it, and what comes while a rebalance has stopped the
        flow: Faust empties its queue then, and what was on the way into it comes after what is gone. It is read again.
        """
        consumer: Any = self.app.consumer
        for event in batch:
            content: Any = event.message.value  # a Range
            tp = event.message.tp
            if content.topic != self._changelog or content.partition not in self.partitions or not consumer.flow_active:
                continue
            if content.start > self.read_upto(tp) + 1:
                continue
            try:
                self.partition(content.partition).load(content.keys, content.values)
            except BaseException as e:
                fatal(f"applying {content.topic}[{content.partition}]@{content.offsets[0]} to the table failed", e)
            self.set_persisted_offset(tp, content.offsets[-1])

    def read_upto(self, tp: TP) -> int:
        """Return the offset up to which the state has all there is, or there was nothing to read."""
        consumer: Any = self.app.consumer
        # Faust seeks to the last offset that is held, or that was deleted; to 0 for neither.
        sought: int = consumer.sought.get(tp, 0) or -1
        return max(self.persisted_offset(tp), sought)

    async def need_active_standby_for(self, tp: TP) -> bool:
        """There are no standbys: all of a partition's rows come from its changelog."""
        return False

    async def on_rebalance(self, assigned: set[TP], revoked: set[TP], newly_assigned: set[TP], generation_id: int = 0) -> None:
        """Drop what belongs to another worker now, and make states of what is ours: whether one is there says whose it is."""
        changelog = self._changelog
        for tp in revoked:
            if tp.topic == changelog:
                self.partition(tp.partition).drop()
                del self.partitions[tp.partition]
                self._offsets.pop(tp, None)
        for tp in assigned:
            if tp.topic == changelog:
                self.partition(tp.partition)

    @property
    def _changelog(self) -> str:
        return self.table.changelog_topic.get_topic_name()

    async def backup_partition(self, tp: TP | int, flush: bool = True, purge: bool = False, keep: int = 1) -> None:
        """Do nothing: the changelog is the backup."""

    def restore_backup(self, tp: TP | int, latest: bool = True, backup_id: int = 0) -> None:
        """Do nothing: recovery reads the changelog."""

    def reset_state(self) -> None:
        """Forget everything; the changelog has it."""
        for state in self.partitions.values():
            state.drop()
        self.partitions.clear()
        self._offsets.clear()


class ColumnTable(faust.Table[Any, Any], Generic[S]):
    """A table of partition states; `table.partition(p)` is what agents use."""

    def __init__(self, app: Any, *, new_state: Callable[[int], S], **kwargs: Any) -> None:
        self._new_state = new_state
        super().__init__(app, recovery_buffer_size=RECOVERY_BUFFER, key_type=bytes, value_type=bytes, **kwargs)

    async def on_rebalance(self, assigned: set[TP], revoked: set[TP], newly_assigned: set[TP], generation_id: int = 0) -> None:
        """Let go of ranges that an earlier recovery read and Faust still holds back, then do as a table does.

        They would be applied first in the next recovery, or in one of a partition that was away meanwhile, and count as all that
        is before them. What stays here is read again from what was applied.
        """
        cast(Any, self.app).tables.recovery.buffers[self].clear()
        await super().on_rebalance(assigned, revoked, newly_assigned, generation_id)

    def _new_store(self) -> ColumnStore[S]:
        return ColumnStore("columns://", self.app, self, new_state=self._new_state, table_name=self.name, loop=self.loop)

    @property
    def store(self) -> ColumnStore[S]:
        """The store with the partition states."""
        return cast("ColumnStore[S]", self.data)

    def partition(self, partition: int) -> S:
        """Return the state of an owned partition."""
        return self.store.partition(partition)
