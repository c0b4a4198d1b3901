"""What the API says of a board and of a score: JSON objects, the same when asked once and when followed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from streams import entities
from streams.reader import Page, Rank, Score, Standing, Stats, Weights


def place(standing: Standing, scope: str) -> dict[str, Any]:
    """Return a place: `id` as it came in events, and the name of the entity whose score it is."""
    shown = standing.as_dict()
    member = shown.pop("account")
    return {"id": member, "entity": entities.of_member(member, scope), **shown}


def page(page: Page, scope: str, board: str, weights: Weights | None) -> dict[str, Any]:
    """Return a page of a board."""
    return {
        "scope": scope,
        "board": board,
        "weights": None if weights is None else {name: getattr(weights, name) for name in ("reach", "network", "amplification")},
        "size": page.size,
        "exact": page.is_exact,
        "places": [place(standing, scope) for standing in page],
    }


def score(score: Score, rank: Rank | None) -> dict[str, Any]:
    """Return a score and where it stands: four fields, null when it is on no board, for example because it is hidden."""
    found = entities.parse(score.entity)
    stands = {} if rank is None else rank.as_dict()
    places = {name: stands.get(name) for name in ("rank", "ties", "size", "percentile")}
    return {"id": found.id, "board_scope": entities.board_scope(found), **score.as_dict(), **places}


def stats(rows: Mapping[int, Mapping[str, str]], now: float, *, is_complete: bool) -> dict[str, Any]:
    """Return counts of all partitions, how late scores come to Redis, and how old the newest is.

    Args:
        rows: the published counts of each partition.
        now: the time that ages are told by, epoch s.
        is_complete: everything has been published.
    """
    total = Stats.total(rows.values())
    late = {
        name: max((float(row.get(name, 0)) for row in rows.values()), default=None)
        for name in ("latency_p50_ms", "latency_p99_ms")
    }
    age_s = round(max(0.0, now - total.updated_at), 3) if total.updated_at else None
    return {"complete": is_complete, **total.as_dict(), **late, "age_s": age_s}
