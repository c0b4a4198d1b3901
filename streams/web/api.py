"""The HTTP API: each answer is one question to the reader. `static/openapi.json` describes it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import orjson
from aiohttp import web

from streams import entities
from streams.reader import AsyncReader
from streams.web import shown
from streams.web.errors import Refused
from streams.web.parameters import LONGEST_OFFSET, MOST, Parameters, entity_of
from streams.web.shared import Shared

PREFIX = "/api/v1"
MOST_AROUND = (MOST - 1) // 2  # above, and as many below


class Api:
    """The handlers; `wall` is the clock that the age of data is told by, epoch s."""

    def __init__(self, reader: AsyncReader, wall: Callable[[], float] = time.time) -> None:
        self._reader, self._wall = reader, wall

    def routes(self) -> list[web.RouteDef]:
        """Return what is answered where."""
        answers = {
            "/top": self.top,
            "/around/{entity:.+}": self.around,
            "/score/{entity:.+}": self.score,
            "/history/{entity:.+}": self.history,
            "/why/{entity:.+}": self.why,
            "/campaigns": self.campaigns,
            "/alerts": self.alerts,
            "/stats": self.stats,
        }
        shared = Shared()
        return [web.get(PREFIX + path, shared.of(answer)) for path, answer in answers.items()]

    async def top(self, request: web.Request) -> bytes:
        """Answer with places of a board."""
        asked = Parameters(request, "scope", "board", "n", "offset", "weights")
        scope, board, weights, offset = asked.scope(), asked.board(), asked.weights(), asked.whole("offset", 0, 0, LONGEST_OFFSET)
        if weights is not None and offset > MOST:
            raise Refused(
                400,
                f"offset is {offset} with weights; expected at most {MOST}: ranking anew reads from the top",
                parameter="offset",
            )
        page = await self._reader.top(scope, board, asked.count(50), offset, weights)
        return orjson.dumps({**shown.page(page, scope, board, weights), "offset": offset, "now": round(page.now, 3)})

    async def around(self, request: web.Request) -> bytes:
        """Answer with the places around an entity on its board."""
        asked, entity = Parameters(request, "board", "n"), entity_of(request)
        found, board = entities.parse(entity), asked.board()
        scope = entities.board_scope(found)
        page = await self._reader.around(found.id, asked.whole("n", 5, 0, MOST_AROUND), scope, board)
        return orjson.dumps({**shown.page(page, scope, board, None), "now": round(page.now, 3)})

    async def score(self, request: web.Request) -> bytes:
        """Answer with a score and where it stands."""
        asked, entity = Parameters(request, "weights"), entity_of(request)
        found = await read_score(self._reader, entity, asked)
        if found is None:
            raise Refused(404, f"no score is kept for {entity[:100]!r}: nothing has happened to it, or it expired")
        return orjson.dumps(found)

    async def history(self, request: web.Request) -> bytes:
        """Answer with the points of a chart, newest first."""
        asked, entity = Parameters(request, "n"), entity_of(request)
        points = await self._reader.history(entity, asked.count(200))
        return orjson.dumps({"entity": entity, "points": [point.as_dict() for point in points]})

    async def why(self, request: web.Request) -> bytes:
        """Answer with the statements of why a score moved, newest first."""
        asked, entity = Parameters(request, "n"), entity_of(request)
        return orjson.dumps({"entity": entity, "statements": await self._reader.why(entity, asked.count(20))})

    async def campaigns(self, request: web.Request) -> bytes:
        """Answer with the campaigns."""
        asked = Parameters(request, "n", "offset")
        n, offset = asked.count(100), asked.whole("offset", 0, 0, LONGEST_OFFSET)
        campaigns = await self._reader.campaigns()
        part = [campaign.as_dict() for campaign in campaigns[offset : offset + n]]
        return orjson.dumps({"size": len(campaigns), "offset": offset, "campaigns": part})

    async def alerts(self, request: web.Request) -> bytes:
        """Answer with the newest alerts, newest first."""
        return orjson.dumps({"alerts": await self._reader.alerts(Parameters(request, "n").count(50))})

    async def stats(self, request: web.Request) -> bytes:
        """Answer with counts, lateness and age."""
        Parameters(request)
        return orjson.dumps(await read_stats(self._reader, self._wall()))


async def read_score(reader: AsyncReader, entity: str, asked: Parameters | None = None) -> dict[str, Any] | None:
    """Return a score as the API shows it, by the weights asked for; None when none is kept."""
    weights = None if asked is None else asked.weights()
    score = await reader.score(entity, weights)
    if score is None:
        return None
    found = entities.parse(entity)
    # Where it would stand by other weights, no board knows.
    rank = None if weights is not None else await reader.rank(found.id, entities.board_scope(found))
    return shown.score(score, rank)


async def read_stats(reader: AsyncReader, wall_s: float) -> dict[str, Any]:
    """Return the counts as the API shows them; `wall_s` is the time that ages are told by, epoch s."""
    rows, is_complete, now = await reader.partition_stats(), await reader.is_complete(), await reader.now()
    return {"now": round(now, 3), **shown.stats(rows, wall_s, is_complete=is_complete)}
