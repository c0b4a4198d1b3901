"""What networks leave out of a message and its reader must remember: the tags of a post, and what a deletion takes back."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

import msgspec

from streams.events.decode import Event
from streams.sources.bounded import Bounded

TAGS_BYTES = 32 << 20  # about 120,000 posts with tags: five hours of Bluesky
EVENTS_BYTES = 192 << 20  # about 450,000 events: half an hour of Bluesky

_encode = msgspec.msgpack.Encoder().encode
_decode_events = msgspec.msgpack.Decoder(list[Event]).decode
_decode_tags = msgspec.msgpack.Decoder(list[str]).decode


class PostTags:
    """The tags of the posts seen, by post."""

    def __init__(self, limit_bytes: int = TAGS_BYTES) -> None:
        self._tags = Bounded(limit_bytes)

    def put(self, post: str, tags: list[str] | None) -> None:
        """Remember the tags of a post; most have none, and take no room."""
        if tags:
            self._tags.put(post, _encode(tags))

    def get(self, post: str) -> list[str] | None:
        """Return the tags of a post; None when it has none or wasn't seen."""
        found = self._tags.get(post)
        return None if found is None else _decode_tags(found)


class Made:
    """The events made of a message, by what a later message calls it, so that it can take them back."""

    def __init__(self, limit_bytes: int = EVENTS_BYTES) -> None:
        self._events = Bounded(limit_bytes)

    def __contains__(self, name: str) -> bool:
        return self._events.get(name) is not None

    def put(self, name: str, events: Sequence[Event]) -> None:
        """Remember the events of a message."""
        if events:
            with contextlib.suppress(UnicodeEncodeError):  # half a character in an id: it can't be sent either
                self._events.put(name, _encode(events))

    def take_back(self, name: str, actor: str | None = None) -> list[Event]:
        """Return the events that undo those of a message, once; none when it isn't known, no longer, or of another `actor`."""
        found = self._events.get(name)
        events = [] if found is None else _decode_events(found)
        if any(actor not in (None, event.actor) for event in events):
            return []
        self._events.pop(name)
        for event in events:
            event.undo = True
        return events
