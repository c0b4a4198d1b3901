"""Server-sent events as bytes, and the position in them that a browser gives back when it comes again."""

from __future__ import annotations

import re
from collections.abc import Mapping

import orjson

from streams.web.errors import Refused

COMES_AGAIN_MS = 2000  # a browser, after a break
HELLO = b"retry: %d\n\n" % COMES_AGAIN_MS
HEARTBEAT = b"event: alive\ndata: {}\n\n"  # not a comment: those a browser keeps from the page
_ID = re.compile(r"\d{1,20}-\d{1,20}")


def event(name: str, data: bytes, position: Mapping[str, str] | None = None) -> bytes:
    """Return one event.

    Args:
        name: what kind.
        data: JSON without line breaks.
        position: how far the event goes, to be given back as `Last-Event-ID`.
    """
    told = b"" if position is None else b"id: %b\n" % orjson.dumps(position)
    return b"event: %b\n%bdata: %b\n\n" % (name.encode(), told, data)


def place(position: Mapping[str, str]) -> bytes:
    """Return what only tells a browser the position."""
    return b"id: %b\n\n" % orjson.dumps(position)


def position_of(last_event_id: str | None, partitions: int) -> dict[str, str]:
    """Return the position in a `Last-Event-ID` header, an empty one when there is none.

    Raises:
        Refused: it isn't one that `event` wrote for as many partitions.
    """
    if not last_event_id:
        return {}
    try:
        told = orjson.loads(last_event_id)
    except orjson.JSONDecodeError:
        told = None
    changes = {f"changes:{p}" for p in range(partitions)}
    is_position = (
        isinstance(told, dict)
        # Of the partitions all or none: one that is missing would be read from its beginning.
        and told.keys() - {"alerts"} in (set(), changes)
        and all(isinstance(at, str) and _ID.fullmatch(at) for at in told.values())
    )
    if not is_position:
        raise Refused(400, f"Last-Event-ID is {last_event_id[:100]!r}; expected the id of an event, or no such header")
    return dict(told)
