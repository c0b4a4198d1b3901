"""The actors table of one partition: how old, how busy, and whom an actor lately engaged with."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from streams.columns.pool import Pool
from streams.events.duplicates import DuplicateWindow
from streams.tables.keyed import KeyedRows

# What the changelog stores of an actor. Broker time except where said.
ROW = np.dtype(
    [
        ("first_seen", "<f8"),  # epoch s
        ("last_day", "<i4"),  # days since the epoch of the latest active day
        ("active_days", "<u4"),
        ("rate", "<f8"),  # decayed count of engagements, half-life a day
        ("rate_at", "<f8"),  # event time `rate` is exact at, epoch s
    ]
)

# A recent target. Times are event times in whole seconds: they only select a window or recognise an undo.
TARGET = np.dtype(
    [
        ("target", "<u8"),  # 64-bit hash of the target account
        ("window", "<u4"),  # when the current day of counting began
        ("at", "<u4"),  # latest engagement
        ("weight", "<f4"),  # of the latest, for an undo
        ("standing", "<f4"),  # the actor's, then
        ("times", "<u2"),  # engagements since `window`
        ("kind", "u1"),
        ("spare", "u1"),
    ]
)
MOST_TARGETS = 16

OUTCOMES = ("applied", "self", "duplicate", "refused", "misplaced", "clamped")


@dataclass
class Source:
    """One partition of one input topic, as far as intake took it."""

    position: int = 0  # next offset to take
    outcomes: dict[str, int] = field(default_factory=lambda: dict.fromkeys(OUTCOMES, 0))
    duplicates: DuplicateWindow = field(default_factory=DuplicateWindow)


class ActorRows(KeyedRows):
    """Actors of one partition, and the state of the input partitions of that number.

    `log_since` is the broker time of the first record ever taken: how old the log is. `latest_day` is the newest broker day seen
    since this worker has the partition, 0 before: until then nothing expires.
    """

    def __init__(self) -> None:
        super().__init__(ROW)
        self.targets = Pool(TARGET, MOST_TARGETS)
        self.sources: dict[str, Source] = {}
        self.log_since = 0.0
        self.latest_day = 0

    @property
    def nbytes(self) -> int:
        """Bytes of rows, targets and duplicate windows."""
        return super().nbytes + self.targets.nbytes + sum(s.duplicates.nbytes for s in self.sources.values())

    def _reserve(self, rows: int) -> None:
        self.targets.reserve_rows(rows)

    def remove(self, rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> None:
        """Free rows and their targets."""
        self.targets.clear(rows)
        super().remove(rows)

    def source(self, topic: str) -> Source:
        """Return the state of this partition of `topic`."""
        return self.sources.setdefault(topic, Source())
