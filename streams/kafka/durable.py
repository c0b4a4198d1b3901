"""What may be committed: per partition the offset below which every effect is acknowledged (`design.md` 3.2, 3.5)."""

from __future__ import annotations

from collections.abc import Iterable

from faust.types import TP


class DurableOffsets(dict[TP, int]):
    """Next offset to read after a crash, by partition. Offsets only rise while a partition is owned."""

    def advance(self, tp: TP, offset: int) -> None:
        """Everything below `offset` is durable."""
        if offset > self.get(tp, 0):
            self[tp] = offset

    def drop(self, lost: Iterable[TP]) -> None:
        """Forget partitions that belong to another worker now: it says what is durable there."""
        for tp in lost:
            self.pop(tp, None)
