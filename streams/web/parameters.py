"""What a request asks for. An unknown parameter, one given twice or a wrong value is an error that says what is valid."""

from __future__ import annotations

from aiohttp import web

from streams import entities
from streams.reader import Weights
from streams.web.errors import Refused, wrong

MOST = 500  # places, points or statements in one answer
LONGEST_OFFSET = 1_000_000_000
BOARDS = ("standing", "trending")
SCOPES = "all, topics, campaigns, topic:TAG or campaign:ID"


class Parameters:
    """The query of a request; `known` are the names it may have."""

    def __init__(self, request: web.Request, *known: str) -> None:
        self._query = request.query
        for name in self._query:
            if name not in known:
                valid = ", ".join(known) or "none"
                raise Refused(400, f"no parameter {name[:100]!r}; expected {valid}", parameter=name[:100])
            if len(self._query.getall(name)) > 1:
                raise Refused(400, f"{name} is given {len(self._query.getall(name))} times; expected once", parameter=name)

    def text(self, name: str) -> str | None:
        """Return a parameter as it came, None when it isn't there."""
        return self._query.get(name)

    def whole(self, name: str, default: int, least: int, most: int) -> int:
        """Return a whole number."""
        text = self._query.get(name)
        if text is None:
            return default
        if not (text.isascii() and text.isdigit() and len(text) < 12 and least <= int(text) <= most):
            raise wrong(name, text, f"a whole number from {least} to {most}")
        return int(text)

    def count(self, default: int) -> int:
        """Return how many are asked for."""
        return self.whole("n", default, 1, MOST)

    def board(self) -> str:
        """Return the name of a board."""
        text = self._query.get("board", BOARDS[0])
        if text not in BOARDS:
            raise wrong("board", text, " or ".join(BOARDS))
        return text

    def scope(self) -> str:
        """Return the scope of a board; ids in it are encoded as in the names of entities."""
        text = self._query.get("scope", "all")
        if text not in ("all", "topics", "campaigns"):
            found = _parsed(text)
            if found is None or found.type == "account" or found.scope is not None:
                raise wrong("scope", text, SCOPES)
        return text

    def weights(self) -> Weights | None:
        """Return weights of the asker's own, None when there are none."""
        text = self._query.get("weights")
        if text is None:
            return None
        if self.board() != "standing":
            raise wrong("board", self.board(), "standing: a trending score has no parts that could be weighted")
        try:
            return Weights.parse(text)
        except ValueError as e:
            raise Refused(400, str(e), parameter="weights") from None

    def entity(self) -> str | None:
        """Return the name of an entity, None when there is none."""
        text = self._query.get("entity")
        return None if text is None else checked_entity(text)


def entity_of(request: web.Request) -> str:
    """Return the name of an entity that stands at the end of the path."""
    return checked_entity(request.match_info["entity"])


def checked_entity(text: str) -> str:
    """Return the name of an entity as it came.

    Raises:
        Refused: it isn't one.
    """
    found = _parsed(text)
    if found is None or (found.scope is not None and (found.type != "account" or not _is_scope(found.scope))):
        raise wrong("entity", text, "account:ID, topic:TAG, campaign:ID, account:ID@topic:TAG or account:ID@campaign:ID")
    return text


def _is_scope(text: str) -> bool:
    found = _parsed(text)
    return found is not None and found.type != "account" and found.scope is None


def _parsed(text: str) -> entities.Entity | None:
    try:
        found = entities.parse(text)
    except ValueError:
        return None
    return found if found.id else None
