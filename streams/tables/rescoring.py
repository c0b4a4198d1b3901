"""Circuit breaker: what another formula does to the scores of recovered rows, known before any of it is published.

A row holds the score that was told last. As long as the formula is the same, recomputing the row at its own time gives that score
to within the threshold of a change event: nothing else happened to it. Where it gives another one, the formula has changed, by a
release, a setting or a bug; were that many scores at once, the world didn't do it (`model.md` 5).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from streams.columns.grouping import where_true
from streams.columns.index import Rows
from streams.columns.records import picked
from streams.model.scoring import score_rows
from streams.tables.entity_rows import EntityRows

FAR_POINTS = 10.0
MOST_FAR = 0.05  # of all entities
_ROUNDING = 1e-3  # scores told are stored as 32-bit floats
_EXAMPLES = 3
_AT_ONCE = 100_000  # rows


@dataclass(frozen=True)
class Rescored:
    """How scores differ from those told: of `entities`, `moved` are told anew, `far` of them move by more than 10 points.

    `rows` and `scores` are those that move; `examples` a few of the far ones: name, score told, score now.
    """

    entities: int = 0
    far: int = 0
    rows: Rows = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    scores: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    examples: tuple[tuple[str, float, float], ...] = ()

    @property
    def moved(self) -> int:
        """How many move."""
        return len(self.rows)

    @property
    def is_breaking(self) -> bool:
        """Whether more than a twentieth of all move by more than 10 points."""
        return self.far > MOST_FAR * self.entities

    @classmethod
    def total(cls, parts: Iterable[Rescored]) -> Rescored:
        """Return several partitions' outcomes as one."""
        parts = list(parts) or [cls()]
        return cls(
            sum(part.entities for part in parts),
            sum(part.far for part in parts),
            np.concatenate([part.rows for part in parts]),
            np.concatenate([part.scores for part in parts]),
            sum((part.examples for part in parts), ())[:_EXAMPLES],
        )

    def __str__(self) -> str:
        return (
            f"with this formula {self.moved:,} of {self.entities:,} scores move, {self.far:,} by more than {FAR_POINTS:g} points"
        )

    def warning(self) -> str:
        """Return what an operator is told when it breaks."""
        shown = ", ".join(f"{name} from {before:.1f} to {after:.1f}" for name, before, after in self.examples)
        return (
            f"{self} ({shown}); expected at most {MOST_FAR:.0%} of them. Nothing of it was published. See who would move with "
            "`cloutstream shadow`; undo the change, or allow it with CLOUTSTREAM_RESCORE=accept"
        )


def rescored(table: EntityRows, partition: int) -> Rescored:
    """Return how the scores of a partition's rows differ from those last told."""
    live = table.live_of(partition)
    parts = [_rescored(table, live[first : first + _AT_ONCE]) for first in range(0, len(live), _AT_ONCE)]
    return Rescored.total(parts)


def _rescored(table: EntityRows, rows: Rows) -> Rescored:
    state = picked(table.rows, rows)
    now, told = score_rows(state, table.sketch_of[rows] > 0, table.settings).score, state["published"].astype(np.float64)
    points = np.abs(now - told)
    moved, far = where_true(points >= table.settings.change_threshold + _ROUNDING), where_true(points > FAR_POINTS)
    few = far[:_EXAMPLES]
    names = [name.decode() for name in table.names.get(rows[few])]
    examples = tuple(zip(names, told[few].tolist(), now[few].tolist(), strict=True))
    return Rescored(len(rows), len(far), rows[moved], now[moved], examples)


def publish_anew(table: EntityRows, parts: Iterable[Rescored]) -> None:
    """Have the next flush write the rows that move, and their scores; no change events, since nobody did anything.

    The next change event of each says what of it was the formula's.
    """
    for part in parts:
        told = table.told_as[part.rows]
        table.told_as[part.rows] = np.where(told > 0, told, table.rows["published"][part.rows])
        table.rows["published"][part.rows] = part.scores
        table.rows["before"][part.rows] = 0
        table.dirty[part.rows] = True
