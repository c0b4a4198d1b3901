"""The actors table: how old, how busy, and whom an actor lately engaged with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from streams.columns.pool import Pool
from streams.events.duplicates import DuplicateWindow
from streams.tables.keyed import KeyedRows
from streams.tables.taken import Taken

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
LEAST_REMEMBERED = 8  # with so many input topics that not all of them have a place

OUTCOMES = ("applied", "self", "duplicate", "forgotten", "refused", "misplaced", "clamped")


@dataclass
class Source:
    """One partition of one input topic, as far as intake took it."""

    position: int = 0  # next offset to take
    outcomes: dict[str, int] = field(default_factory=lambda: dict.fromkeys(OUTCOMES, 0))
    duplicates: DuplicateWindow = field(default_factory=DuplicateWindow)


@dataclass
class Inputs:
    """The input partitions of one number, as far as intake took them.

    `log_since` is the broker time of the first record ever taken, epoch s: how old the log is. 0 before that. `in_rows` is by
    topic, as `Taken` knows it, an offset: rows read from the changelog may hold events before it that are taken again.
    """

    sources: dict[str, Source] = field(default_factory=dict)
    log_since: float = 0.0
    in_rows: dict[int, int] = field(default_factory=dict)

    def source(self, topic: str) -> Source:
        """Return the state of this partition of `topic`."""
        return self.sources.setdefault(topic, Source())

    def counts(self) -> dict[str, int]:
        """Return outcomes summed over topics, and the position in each."""
        counts: dict[str, int] = {}
        for topic, source in self.sources.items():
            counts[f"position:{topic}"] = source.position
            for name, n in source.outcomes.items():
                counts[name] = counts.get(name, 0) + n
        return counts


class ActorRows(KeyedRows):
    """Actors of the owned partitions, and how far their input is taken.

    `inputs` names the input topics. `latest_day` is the newest broker day seen since this process began, 0 before: until then
    nothing expires.
    """

    def __init__(self, inputs: Iterable[str] = ()) -> None:
        super().__init__(ROW)
        self.targets = Pool(TARGET, MOST_TARGETS)
        self.taken = Taken(inputs)
        self.latest_day = 0
        self._inputs: dict[int, Inputs] = {}

    @property
    def remembered(self) -> int:
        """How many targets of an actor are remembered.

        Fewer than there may be: in the changelog the last entries say how far a row is taken of each input topic, which an
        earlier release reads as targets that nobody engaged with, and leaves out.
        """
        return max(LEAST_REMEMBERED, MOST_TARGETS - max(1, self.taken.topics))

    @property
    def nbytes(self) -> int:
        """Bytes of rows, targets, how far they are taken, and duplicate windows."""
        return super().nbytes + self.targets.nbytes + self.taken.nbytes + self.window_nbytes

    @property
    def window_nbytes(self) -> int:
        """Bytes of the duplicate windows."""
        return sum(source.duplicates.nbytes for inputs in self._inputs.values() for source in inputs.sources.values())

    def inputs(self, partition: int = 0) -> Inputs:
        """Return the state of the input partitions of a number."""
        return self._inputs.setdefault(partition, Inputs())

    def drop(self, partition: int) -> None:
        """Forget a partition."""
        self._inputs.pop(partition, None)
        self.remove(self.live_of(partition))

    def _reserve(self, rows: int) -> None:
        self.targets.reserve_rows(rows)
        self.taken.reserve(rows)

    def remove(self, rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> None:
        """Free rows and their targets."""
        self.targets.clear(rows)
        self.taken.clear(rows)
        super().remove(rows)
