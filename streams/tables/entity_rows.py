"""The entities table of one partition: columns of decaying counters, exact reach pools and reach sketches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from streams.columns.grouping import where_true
from streams.columns.index import Rows
from streams.columns.pool import Pool, grown
from streams.columns.records import picked, put
from streams.model import decay, scoring, sketch
from streams.settings import Settings
from streams.tables.half_lives import HalfLives
from streams.tables.keyed import KeyedRows
from streams.tables.marker import Marker
from streams.tables.pace import Pace, pace_of
from streams.tables.past import PAST

if TYPE_CHECKING:
    from streams.tables.ledger import Open
    from streams.tables.notes import Noted
    from streams.tables.surges import Surge

# What the changelog stores of an entity. All counters are exact at `at`.
ROW = np.dtype(
    [
        ("off", "<i8"),  # engagements offset last folded into this row; the version readers see
        ("born", "<i8"),  # engagements offset that made this row (again, after it expired)
        ("at", "<f8"),  # newest event time, epoch s
        ("posts", "<i8"), ("likes", "<i8"), ("shares", "<i8"), ("replies", "<i8"),  # exact; below 0 if undone more often
        ("engaged", "<f8"),  # E, weighted, slow half-life
        ("made", "<f8"),  # P, posts, slow half-life
        ("fast", "<f8"),  # X, weighted, fast half-life
        ("day", "<f8"),  # D, weighted, day half-life
        ("reach", "<f8"),  # R
        ("network", "<f8"),  # G
        ("published", "<f4"),  # score last sent as a change event; 1 before the first
        ("posted_at", "<u4"),  # newest post, whole seconds: see `scoring.posts_then`
        ("before", "<f4"),  # score before the change event of version `off`; 0 where that version sent none
    ]
)  # fmt: skip
COUNTS = ("posts", "likes", "shares", "replies")

# A person in an exact reach set. Bit 0 of `person` says that they did a favour (like or share), the others are the hash.
PERSON = np.dtype([("person", "<u8"), ("reach", "<f8"), ("network", "<f8")])
MOST_EXACT = 32
FAVOUR_BIT = np.uint64(1)

# A row beyond 32 people.
SKETCH = np.dtype(
    [
        ("reach", "u1", sketch.REGISTERS), ("network", "u1", sketch.REGISTERS),
        ("reach_base", "<i4"), ("network_base", "<i4"),
        # Exact less sketch when the representation changed, at `delta_at`: fades, so that no score jumped then.
        ("reach_delta", "<f8"), ("network_delta", "<f8"), ("delta_at", "<f8"),
        ("favours", "<u8", 16),  # who lately liked or shared, newest last: for reciprocity
    ]
)  # fmt: skip


class EntityRows(KeyedRows):
    """Entities of the owned partitions, and how far each partition's log has been folded."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(ROW)
        self.settings, self.half_lives = settings, HalfLives.of(settings)
        self.people = Pool(PERSON, MOST_EXACT)
        self.sketch_of: NDArray[np.int32] = np.zeros(64, dtype=np.int32)  # 1 + place in `sketches`; 0 = exact
        self.sketches: NDArray[np.void] = np.zeros(0, dtype=SKETCH)
        # Folded since the last flush: such a row may send a new change event, one that is only named again may not.
        self.folded_since: NDArray[np.bool_] = np.zeros(64, dtype=bool)
        self._sketch_end = 0
        self._free_sketches: list[int] = []
        self.noted: list[Noted] = []  # since the last flush
        self.unsaid: list[Noted] = []  # before it, of rows that it hasn't come to yet
        self.open: dict[int, Open] = {}  # row -> what is known of why it moved since its last change event
        # The last change event's score, where another formula has given another one since, which no change event told; else 0.
        self.told_as: NDArray[np.float32] = np.zeros(64, dtype=np.float32)
        self.past: NDArray[np.void] = np.zeros(64, dtype=PAST)
        self.surging: NDArray[np.bool_] = np.zeros(64, dtype=bool)
        self.surges: dict[int, Surge] = {}  # of the rows that are
        # By partition: the scores of rows of versions below are in their topic, with their changes. Lower is right, too.
        self.told_below: dict[int, int] = {}
        self._logs: dict[int, Marker] = {}
        self._paces: dict[int, Pace] = {}

    @property
    def nbytes(self) -> int:
        """Bytes of everything but open ledgers and surges."""
        own = (self.people, self.sketch_of, self.sketches, self.past, self.surging, self.told_as)
        return super().nbytes + sum(column.nbytes for column in own)

    def log(self, partition: int = 0) -> Marker:
        """Return how far a partition's log has been folded."""
        return self._logs.setdefault(partition, Marker(half_lives=self.half_lives))

    @property
    def partitions(self) -> list[int]:
        """Partitions that anything was folded or loaded of."""
        return sorted(self._logs)

    def drop(self, partition: int) -> None:
        """Forget a partition."""
        self._logs.pop(partition, None)
        self._paces.pop(partition, None)
        self.told_below.pop(partition, None)
        self.remove(self.live_of(partition))

    def untold(self, partition: int) -> Rows:
        """Return the rows of a partition that say a change which may not be in the scores topic."""
        rows = self.live_of(partition)
        return rows[(self.rows["before"][rows] > 0) & (self.rows["off"][rows] >= self.told_below.get(partition, 0))]

    def _reserve(self, rows: int) -> None:
        self.people.reserve_rows(rows)
        self.sketch_of = grown(self.sketch_of, rows)
        self.folded_since = grown(self.folded_since, rows)
        self.past, self.surging = grown(self.past, rows), grown(self.surging, rows)
        self.told_as = grown(self.told_as, rows)

    def pace(self, partition: int) -> Pace:
        """Return how much a partition's entities are engaged with; of one just taken over it is added up."""
        held = self._paces.get(partition)
        if held is None:
            s, rows = self.settings, self.live_of(partition)
            half_lives_s = (s.half_life_fast_s, s.half_life_day_s)
            held = self._paces[partition] = pace_of(self.rows[rows], self.past["since"][rows].astype(np.float64), half_lives_s)
        return held

    def begin_surge(self, row: int, surge: Surge) -> None:
        """Keep a surge of a row."""
        self.surges[row], self.surging[row] = surge, True

    def end_surge(self, row: int) -> None:
        """Forget a row's surge, if there is one."""
        self.surges.pop(row, None)
        self.surging[row] = False

    def new_sketches(self, rows: Rows) -> Rows:
        """Give `rows` empty sketches and return their places."""
        reused = [self._free_sketches.pop() for _ in range(min(len(rows), len(self._free_sketches)))]
        fresh = np.arange(self._sketch_end, self._sketch_end + len(rows) - len(reused))
        self._sketch_end += len(fresh)
        self.sketches = grown(self.sketches, self._sketch_end)
        places = np.concatenate([np.array(reused, dtype=np.int64), fresh])
        put(self.sketches, places, np.zeros(1, dtype=SKETCH))
        self.sketches["reach_base"][places] = self.sketches["network_base"][places] = sketch.EMPTY
        self.sketch_of[rows] = places + 1
        return places

    def free_sketches(self, rows: Rows) -> None:
        """Take the sketches of those of `rows` that have one."""
        held = self.sketch_of[rows]
        self._free_sketches.extend((held[held > 0] - 1).tolist())
        self.sketch_of[rows] = 0

    def remove(self, rows: Rows) -> None:
        """Free rows and all that hangs on them."""
        self.noted, self.unsaid = (
            [noted.only(lambda held: ~np.isin(held, rows)) for noted in notes] for notes in (self.noted, self.unsaid)
        )
        self.people.clear(rows)
        self.free_sketches(rows)
        for row in rows.tolist():
            self.open.pop(row, None)
            self.end_surge(row)
        self.past[rows], self.told_as[rows], self.folded_since[rows] = np.zeros(1, dtype=PAST), 0, False
        super().remove(rows)

    def refresh_reach(self, rows: Rows) -> None:
        """Recompute R and G of distinct rows, exact at their `at`, from their sets or sketches."""
        h = self.settings.half_life_slow_s
        at = self.rows["at"][rows]
        entries, position = self.people.gather(rows)
        for column in ("reach", "network"):
            parts = np.exp2(entries[column] - at[position] / h)
            self.rows[column][rows] = np.bincount(position, parts, minlength=len(rows))
        sketched = where_true(self.sketch_of[rows] > 0)
        if len(sketched):
            which, when = picked(self.sketches, self.sketch_of[rows[sketched]] - 1), at[sketched]
            for column in ("reach", "network"):
                guess = sketch.estimate(which[column], which[column + "_base"], when, h)
                delta = which[column + "_delta"] * decay.fade(when - which["delta_at"], h)
                self.rows[column][rows[sketched]] = np.maximum(guess + delta, 0.0)

    def standing_inputs(self, rows: Rows, at_s: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
        """Return R and G of rows faded to `at_s`, and A, which stands still: what intake weighs an actor by."""
        state = picked(self.rows, rows)
        left = decay.fade(np.maximum(at_s - state["at"], 0.0), self.settings.half_life_slow_s)
        return state["reach"] * left, state["network"] * left, scoring.amplification_of(state, self.settings)
