"""Statements: why scores moved, as reasons in points that add up to the change, to the last decimal that is told.

What the points are is `streams.model.attribution`'s, what reasons there are `streams.tables.reasons`'. Scores are told with four
decimals, so points are, too: each is what the sum up to it rounds to, less what the sum before it did.
"""

from __future__ import annotations

from itertools import compress

import numpy as np
from numpy.typing import NDArray

from streams.columns.grouping import run_starts, stable_order, where_true
from streams.columns.index import Rows
from streams.columns.records import picked
from streams.model.attribution import Added, Attribution, attribute
from streams.settings import Settings
from streams.tables.ledger import Ledger, ranked
from streams.tables.reasons import DECIMALS, MOST, REST
from streams.tables.score_records import rendered
from streams.tables.statement_texts import arrays, named_reasons, other_reasons

Floats = NDArray[np.float64]
_NOTHING = 1e-9  # points
_SLOTS = MOST + len(REST)
_SUMMED = ("engaged", "reach", "network")


def statements(
    ledger: Ledger, which: Rows, before: Floats, after: Floats, now: NDArray[np.void], sketched: NDArray[np.bool_],
    settings: Settings,
) -> list[str]:  # fmt: skip
    """Return the reasons of changes as JSON arrays.

    Args:
        ledger: what is known of k rows.
        which: those that changed, places in the ledger, shape (m,).
        before: the scores told last, shape (m,).
        after: those told now.
        now: the rows.
        sketched: where reach is estimated.
        settings: half-lives and weights.
    """
    m = len(which)
    place = np.full(len(ledger.rows), -1)
    place[which] = np.arange(m)
    entries = picked(ledger.entries, place[ledger.entries["row"]] >= 0)
    row = place[entries["row"]]
    others, undone, known = picked(ledger.others, which), picked(ledger.undone, which), ledger.is_known[which]
    added = Added(*(np.bincount(row, entries[c], minlength=m) + others[c] for c in _SUMMED))
    of = attribute(before, picked(ledger.told, which), now, sketched, added, Added(*(undone[c] for c in _SUMMED)), settings)
    points = _shares(entries, row, of, added)
    order, rank = ranked(row, points)
    shown = order[rank < MOST]
    beyond = order[rank >= MOST]
    others_points = _shares(others, np.arange(m), of, added) + np.bincount(row[beyond], points[beyond], minlength=m)
    others_count = others["count"] + np.bincount(row[beyond], entries["count"][beyond], minlength=m)
    lost = ledger.lost[which]
    rest = np.stack(
        [
            others_points, of.posts, of.undone, of.sampling, of.decay,
            np.where(lost, 0.0, of.formula), np.where(lost, of.formula, 0.0),
        ]
    )  # fmt: skip
    rest[:, ~known] = 0.0
    rest[-1, ~known] = (after - before)[~known]
    counts = np.zeros(rest.shape, dtype=np.int64)
    counts[0], counts[1], counts[2] = others_count, now["posts"] - ledger.told["posts"][which], undone["count"]
    slot = np.concatenate([rank[rank < MOST], MOST + np.arange(len(REST)).repeat(m)])
    lines = np.concatenate([row[shown], np.tile(np.arange(m), len(REST))])
    worth = np.concatenate([points[shown], rest.reshape(-1)])
    some = where_true(np.abs(worth) > _NOTHING)
    in_order = some[stable_order(lines[some] * _SLOTS + slot[some])]
    units = _rounded(lines[in_order], worth[in_order], before, after)
    told = in_order[units != 0]
    numbers = rendered(units[units != 0] / DECIMALS)
    named = told < len(shown)
    of_actors, of_nobody = told[named], told[~named] - len(shown)
    of_named, of_rest = list(compress(numbers, named.tolist())), list(compress(numbers, (~named).tolist()))
    return arrays(
        m,
        (lines[of_actors], named_reasons(picked(entries, shown[of_actors]), ledger.names, of_named)),
        (lines[told[~named]], other_reasons(of_nobody // m, of_rest, counts.reshape(-1)[of_nobody])),
    )


def _shares(parts: NDArray[np.void], row: Rows, of: Attribution, added: Added) -> Floats:
    """Return points of parts of what was added: of each of the three ways as much as the part has of it."""
    points = np.zeros(len(parts))
    for column, worth, total in (
        ("engaged", of.by_engaged, added.engaged),
        ("reach", of.by_reach, added.reach),
        ("network", of.by_network, added.network),
    ):
        points += parts[column] * np.divide(worth, total, out=np.zeros(len(total)), where=total > 0)[row]
    return points


def _rounded(row: Rows, points: Floats, before: Floats, after: Floats) -> Floats:
    """Return points in units of the last decimal that is told, which add up to the difference of the rounded scores.

    Args:
        row: of each reason, ascending.
        points: of each reason.
        before: the score of each row.
        after: the score of each row.
    """
    if not len(row):
        return points
    first = run_starts(row)
    last = np.append(first[1:], len(row)) - 1
    before, after = before[row[first]], after[row[first]]
    points[first] += after - before - np.add.reduceat(points, first)  # scores are told as 32-bit floats
    running = points.cumsum()
    running += (before - (running[first] - points[first])).repeat(last - first + 1)
    bounds = np.rint(running * DECIMALS)
    bounds[last] = np.rint(after * DECIMALS)
    units: Floats = bounds.copy()
    units[1:] -= bounds[:-1]
    units[first] = bounds[first] - np.rint(before * DECIMALS)
    return units
