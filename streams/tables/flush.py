"""What a flush writes: changelog rows, and the public score of every touched entity.

Every touched entity's score is written; a *change event* rides on it when the score moved far enough (`model.md` 5). A row
is encoded after its change was decided, so a crash can't swallow one: a recovered row that was not folded since says again
what it said, where that may not be in the scores topic. Nowhere else: after Redis was wiped nobody can tell it from news.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streams.columns.grouping import slices, where_true
from streams.columns.index import Rows
from streams.columns.records import picked
from streams.model import scoring
from streams.tables.entity_codec import encode_rows
from streams.tables.entity_rows import COUNTS, EntityRows
from streams.tables.forgetting import nameless
from streams.tables.ledger import put_by, take_ledger
from streams.tables.notes import cut
from streams.tables.past import moved
from streams.tables.score_records import Change, ScoreRecord, records_of, rendered
from streams.tables.statements import statements
from streams.tables.surges import Found, found_surges, settle_surges

HYSTERESIS = 0.2
PIECE_ROWS = 8192  # about 40 ms of work: others must get their turn


@dataclass(slots=True)
class Flush:
    """Entities with their row and score records, by partition: of `parts[p]` is the slice that is p's.

    `scores_first`: a row tells that the last score of its entity has no change event, because of the score here. Were the row
    alone written, nobody would look any more for somebody forgotten whom the former score names.
    """

    keys: list[bytes]
    rows: list[bytes]
    scores: list[ScoreRecord]
    parts: dict[int, slice]
    scores_first: bool = False


def flush_pieces(table: EntityRows, partitions: Sequence[int]) -> Iterator[Flush]:
    """Yield what was touched in partitions before the first piece was asked for, at least one; without rows dropped since.

    What their markers said then holds when all pieces are durable: a row may hold more than its marker says, never less.
    """
    rows = table.touched(partitions)
    pieces = [rows[first : first + PIECE_ROWS] for first in range(0, max(1, len(rows)), PIECE_ROWS)]
    if len(pieces) > 1:
        _take_notes(table)
        table.unsaid = cut(table.unsaid, pieces, len(table.rows))
    for piece in pieces:
        yield take_flush(table, piece[table.dirty[piece] & np.isin(table.part[piece], partitions)])


def take_flush(table: EntityRows, rows: Rows | None = None) -> Flush:
    """Return what was touched since the last flush, or of that only `rows`, sorted by partition, and mark it clean."""
    _take_notes(table)
    if rows is None:
        rows = table.touched(table.partitions)
    if not len(rows):
        return Flush([], [], [], {})
    keys = table.names.get(rows)
    state = picked(table.rows, rows)
    scores = _scores(table, rows, state)
    surges = found_surges(table, rows, scores.score)
    told_again = where_true((state["before"] > 0) & ~table.folded_since[rows])
    changed = _decide_changes(table, rows, state, scores.score, surges)
    records = _score_records(keys, state, scores)
    telling = where_true(changed)
    changes = _changes(table, rows, telling, picked(state, telling), scores.score[telling])
    for i, change in zip(telling.tolist(), changes, strict=True):
        records[i] = records[i]._replace(change=change._replace(surge=surges[i].text) if i in surges else change)
    table.dirty[rows] = False
    table.folded_since[rows] = False
    scores_first = not changed[told_again].all()
    return Flush(keys, encode_rows(table, rows), records, slices(table.part[rows]), scores_first)


def _take_notes(table: EntityRows) -> None:
    settle_surges(table)
    table.unsaid += table.noted
    table.noted = []


def current_scores(table: EntityRows, rows: Rows) -> list[ScoreRecord]:
    """Return the score records of rows as they are now, without change events: what a rebuild of Redis writes."""
    state = picked(table.rows, rows)
    scores = _scores(table, rows, state)
    return _score_records(table.names.get(rows), state, scores)


def _scores(table: EntityRows, rows: Rows, state: NDArray[np.void]) -> scoring.Scores:
    return scoring.score_rows(state, table.sketch_of[rows] > 0, table.settings)


def _decide_changes(
    table: EntityRows, rows: Rows, state: NDArray[np.void], score: NDArray[np.float64], surges: Mapping[int, Found]
) -> NDArray[np.bool_]:
    """Return which rows send a change event; updates `published` and `before` in the table and in `state`, and what is told."""
    folded = table.folded_since[rows]
    moved = np.abs(score - state["published"])
    shown_differs = np.round(score) != np.round(state["published"])
    changed = (moved >= table.settings.change_threshold) | (shown_differs & (moved >= HYSTERESIS))
    changed[[i for i, surge in surges.items() if surge.is_news]] = True
    new = folded & changed
    for i in (i for i, surge in surges.items() if surge.is_news and new[i]):
        table.surges[int(rows[i])].told = True
    told = np.where(table.told_as[rows] > 0, table.told_as[rows], state["published"])
    below = np.array([table.told_below.get(p, 0) for p in range(table.settings.partitions)])
    is_over = folded | (state["off"] < below[table.part[rows]])
    state["before"] = np.where(new, told, np.where(is_over, 0.0, state["before"]))
    table.told_as[rows[new]] = 0
    state["published"] = np.where(new, score, state["published"])
    table.rows["before"][rows] = state["before"]
    table.rows["published"][rows] = state["published"]
    result: NDArray[np.bool_] = state["before"] > 0
    return result


def _changes(table: EntityRows, rows: Rows, telling: Rows, state: NDArray[np.void], score: NDArray[np.float64]) -> list[Change]:
    """Return the change events of rows[telling]; of all other rows what is known of why they move is put by."""
    ledger = nameless(take_ledger(table, rows), table.forgotten)
    silent = np.ones(len(rows), dtype=bool)
    silent[telling] = False
    put_by(table, ledger, silent)
    if not len(telling):
        return []
    before, after = state["before"].astype(np.float64), state["published"].astype(np.float64)
    reasons = statements(ledger, telling, before, after, state, table.sketch_of[rows[telling]] > 0, table.settings)
    by = rendered(moved(picked(table.past, rows[telling]), score))
    return [Change(*texts) for texts in zip(rendered(before), rendered(after), reasons, by, strict=True)]


def _score_records(keys: list[bytes], state: NDArray[np.void], scores: scoring.Scores) -> list[ScoreRecord]:
    return records_of(
        keys,
        {
            "score": scores.score, "reach": state["reach"], "network": state["network"], "amplification": scores.amplification,
            "reach_pts": scores.reach_pts, "network_pts": scores.network_pts, "amplification_pts": scores.amplification_pts,
            "momentum": scores.momentum, "plus_minus": scores.plus_minus,
            **{name: state[name] for name in COUNTS},
            "at": state["at"], "ver": state["off"],
            # Nobody with no influence stands on a board: -inf becomes null.
            "standing": scores.standing_key, "trending": scores.trending_key,
        },
    )  # fmt: skip
