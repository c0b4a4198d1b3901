"""Score changes and alerts as they stand in the streams: one JSON object an entry."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, field
from typing import Any

import msgspec

from streams import entities


@dataclass(frozen=True, slots=True)
class Cause:
    """A reason of a change, and the points that it was worth; all of a change add up to it.

    Of what `actor` did, `kind` is `like`, `share` or `reply`, and `count` how often they did it. Where that was damped, `counted`
    is what part of it counted, and `damped_by` the factor that damped it most: `trust`, `budget`, `repeat`, `reciprocity` or
    `late`. Other kinds have no actor: `others`, `posts`, `undone`, `sampling`, `decay`, `formula`, `unknown`.
    """

    kind: str
    actor: str = ""
    points: float = 0.0
    count: int = 0
    counted: float = 1.0
    damped_by: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as published: those that say something."""
        unsaid = {"actor": "", "count": 0, "counted": 1.0, "damped_by": ""}
        return {name: value for name, value in asdict(self).items() if value != unsaid.get(name)}


@dataclass(frozen=True, slots=True)
class ScoreChange:
    """A score that moved far enough to be told.

    `entity` is the name of what changed; `before` and `after` are scores, the `_pts` the parts of `after` in points. `at` is the
    time of the newest event, `published_at` when it was written to Redis, epoch s; `ver` the score's version.
    """

    entity: str
    before: float
    after: float
    causes: list[Cause] = field(default_factory=list)
    reach_pts: float = 0.0
    network_pts: float = 0.0
    amplification_pts: float = 0.0
    at: float = 0.0
    published_at: float = 0.0
    ver: int = 0
    plus_minus: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as published."""
        return {**asdict(self), "causes": [cause.as_dict() for cause in self.causes]}


_change = msgspec.json.Decoder(ScoreChange)
_alert = msgspec.json.Decoder(dict[str, Any])


def changes_of(scope: str | None, accounts: Collection[str] | None) -> Callable[[bytes], ScoreChange | None]:
    """Return a function from an entry's JSON to its change, or None for one that isn't asked for.

    Args:
        scope: of a board: only changes of its members; None for any.
        accounts: raw ids: only changes of these; None for any.
    """
    wanted = None if accounts is None else frozenset(accounts)

    def decode(text: bytes) -> ScoreChange | None:
        change = _change.decode(text)
        if scope is None and wanted is None:
            return change
        try:
            entity = entities.parse(change.entity)
        except ValueError:  # of a kind that a newer release scores: on none of the boards that are known here
            return None
        if scope is not None and entities.board_scope(entity) != scope:
            return None
        return change if wanted is None or (entity.type == "account" and entity.id in wanted) else None

    return decode


def alert_of(text: bytes) -> dict[str, Any]:
    """Return an entry of the alerts stream."""
    return _alert.decode(text)
