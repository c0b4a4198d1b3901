"""A fetched range: the value of one message of the batched transport."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Range:
    """Records of one partition in offset order, as columns.

    `start` is the offset that was fetched from: nothing was there between it and the first record. Where it lies beyond what was
    taken before, ranges were lost on the way (Faust drops some during a rebalance), and who takes them must ask for them again.
    """

    topic: str
    partition: int
    offsets: list[int]
    timestamps_ms: list[int]
    keys: list[bytes | None]
    values: list[bytes | None]
    start: int = 0

    def __len__(self) -> int:
        return len(self.offsets)

    def part(self, first: int, last: int) -> Range:
        """Return records first..last-1 of this range."""
        return Range(
            self.topic, self.partition, self.offsets[first:last], self.timestamps_ms[first:last], self.keys[first:last],
            self.values[first:last], self.offsets[first - 1] + 1 if first else self.start,
        )  # fmt: skip
