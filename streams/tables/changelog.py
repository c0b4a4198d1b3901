"""Writing one partition's changelog, and noticing when somebody else wrote into it (`design.md` 3.8).

A worker that was stopped for longer than its session may, when it wakes, write rows of a partition it lost. Each batch of
ours must begin where the last one ended; where it doesn't, the records in between are read, applied by the rule of recovery
(highest `off` wins), and their rows written again, so that no stale row is the last of its key.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Protocol

from faust.types import TP

from streams.kafka.bulk import Acknowledged
from streams.kafka.gap import Records
from streams.tables.faust_table import ColumnStore, PartitionState

ReadGap = Callable[[TP, int, int], AsyncIterator[Records]]  # of a partition, from an offset to below another


class Sender(Protocol):
    """What records leave through."""

    async def send(
        self, topic: str, partition: int, keys: Sequence[bytes | None], values: Sequence[bytes | None]
    ) -> list[Acknowledged]:
        """Send records in order and wait until all are acknowledged."""


class Changelog:
    """Writes records of one partition of a table's changelog."""

    def __init__(self, store: ColumnStore[Any], topic: str, partition: int, bulk: Sender, read_gap: ReadGap) -> None:
        self._store, self._bulk, self._read_gap = store, bulk, read_gap
        self._tp = TP(topic, partition)
        self.repaired_gaps = 0

    async def write(self, keys: Sequence[bytes], values: Sequence[bytes | None], state: PartitionState) -> bool:
        """Write records and wait until they are acknowledged.

        Args:
            keys: of the records.
            values: of the records.
            state: what they are of, as it was when they were made.

        Returns:
            Whether that is still the partition's state. Where it was dropped before, nothing is written: it would be stale.

        Raises:
            DurabilityError: any of them could not be made durable.
        """
        if self._state() is not state or not keys:
            return self._state() is state
        for ack in await self._bulk.send(self._tp.topic, self._tp.partition, keys, values):
            if self._state() is not state:
                break  # what was written late is for the next owner to find
            expected = self._store.persisted_offset(self._tp) + 1
            if ack.base_offset > expected:
                await self._repair(state, expected, ack.base_offset)
            if self._state() is state:
                self._store.set_persisted_offset(self._tp, ack.base_offset + ack.count - 1)
        return self._state() is state

    def _state(self) -> Any:
        return self._store.partitions.get(self._tp.partition)

    async def _repair(self, state: Any, first: int, end: int) -> None:
        """Read records first..end-1, apply them, and have their rows written again, unless the partition is handed over."""
        async for keys, values in self._read_gap(self._tp, first, end):
            if self._state() is not state:
                return
            state.load_foreign(keys, values)
        self.repaired_gaps += 1
