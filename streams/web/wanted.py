"""What a client of the live stream asked for: which feeds, how each is read, and how the client sees it."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

import orjson

from streams.movement import Movement, Rate
from streams.reader import AsyncReader, ScoreChange, Weights
from streams.web import shown
from streams.web.api import read_score, read_stats
from streams.web.errors import REDIS_AWAY, Refused
from streams.web.feeds import Feed, State
from streams.web.logs import Encoded, Log, Position
from streams.web.parameters import Parameters
from streams.web.views import LogView, StateView, View

BOARD_EVERY_S = 0.5
WEIGHTED_EVERY_S = 2.0  # ranking anew reads thousands of places
SCORE_EVERY_S = 1.0
STATS_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """One feed: what it is known by, how to make it, and how a client sees it, given the position that it came back with."""

    key: Hashable
    make: Callable[[], Feed]
    view: Callable[[Any, Position], View]


def wanted(reader: AsyncReader, asked: Parameters, wall: Callable[[], float]) -> list[Wanted]:
    """Return what a client wants: counts, changes and alerts always; a board if it names one, a score if it names an entity.

    Args:
        reader: reads the feeds.
        asked: `scope`, `board`, `n` and `weights` as in `/top`; `entity`, which also narrows the changes to its own.
        wall: the clock that the age of data is told by, epoch s.
    """
    entity = asked.entity()
    parts = [_stats(reader, wall), _changes(reader, entity), _alerts(reader)]
    of_board = next((name for name in ("board", "n", "weights") if asked.text(name) is not None), None)
    if of_board is not None and asked.text("scope") is None:
        raise Refused(400, f"{of_board} is given without scope; expected both, or neither for no board", parameter=of_board)
    if asked.text("scope") is not None:
        parts.append(_board(reader, asked.scope(), asked.board(), asked.count(50), asked.weights()))
    if entity is not None:
        parts.append(_score(reader, entity))
    return parts


def _board(reader: AsyncReader, scope: str, board: str, n: int, weights: Weights | None) -> Wanted:
    def make() -> Feed:
        movement = Movement()

        async def read() -> dict[str, Any]:
            page = await reader.top(scope, board, n, 0, weights)
            moved = movement.moved({standing.account: standing.rank for standing in page}, time.monotonic())
            told = shown.page(page, scope, board, weights)
            return {**told, "places": [{**place, "moved": moved[place["id"]]} for place in told["places"]]}

        return State("board", read, BOARD_EVERY_S if weights is None else WEIGHTED_EVERY_S)

    return Wanted(("board", scope, board, n, weights), make, _as_state)


def _score(reader: AsyncReader, entity: str) -> Wanted:
    async def read() -> dict[str, Any]:
        found = await read_score(reader, entity)
        # Seconds pass without anything having happened: what only tells the time is no news.
        return {"entity": entity, "score": None if found is None else {k: v for k, v in found.items() if k != "now"}}

    return Wanted(("score", entity), lambda: State("score", read, SCORE_EVERY_S), _as_state)


def _stats(reader: AsyncReader, wall: Callable[[], float]) -> Wanted:
    def make() -> Feed:
        rate = Rate()

        async def read() -> dict[str, Any]:
            told = await read_stats(reader, wall())
            per_second = rate.per_second(told["position"], time.monotonic())
            return {**told, "events_per_second": None if per_second is None else round(per_second, 1), "problem": None}

        return State("stats", read, STATS_EVERY_S, if_away={"problem": REDIS_AWAY})

    return Wanted("stats", make, _as_state)


def _changes(reader: AsyncReader, entity: str | None) -> Wanted:
    def make() -> Feed:
        return Log("changes", lambda position: reader.follow(position=position), _encoded_change)

    return Wanted("changes", make, lambda feed, told: LogView(feed, entity, told))


def _alerts(reader: AsyncReader) -> Wanted:
    def make() -> Feed:
        return Log("alerts", reader.follow_alerts, _encoded_alert)

    return Wanted("alerts", make, lambda feed, told: LogView(feed, None, told))


def _as_state(feed: Any, _told: Position) -> View:
    return StateView(feed)


def _encoded_change(change: ScoreChange) -> Encoded:
    return change.entity, orjson.dumps(change.as_dict())


def _encoded_alert(alert: dict[str, Any]) -> Encoded:
    return str(alert.get("entity", "")), orjson.dumps(alert)
