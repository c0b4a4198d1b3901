"""What a source is: how messages are got, and what events each of them is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any, ClassVar, NamedTuple

import msgspec
import xxhash

from streams.events.decode import Event

# Where a source was: a JSON object that only the source itself understands.
Position = dict[str, Any]
Tell = Callable[[str], None]

MAX_ID_CHARS = 256
MAX_POST_CHARS = 512


class Mapped(NamedTuple):
    """What a message was, and the events that came of it."""

    kind: str
    """What it is counted as, such as `like`; for one that isn't known `unknown ...` with a few words of it."""
    events: Sequence[Event] = ()
    dropped: str = ""
    """Why there is no event, or one less, where there could have been: a few fixed words, counted."""
    is_kept: bool = False
    """Whether the message itself goes into the topic of kept messages: someone may want to see it, or map it later."""
    forget: str = ""
    """An account whose network says that it is gone for good: kept as well, and forgotten."""
    parts: Sequence[Mapped] = ()
    """Of a page with many things what each of them is: they are counted one by one; the events are all in `events`."""


class Source(ABC):
    """A network, or a file.

    `map` never raises, whatever a message holds, and does no I/O; it may remember what it has seen, within fixed memory. An
    event's `id` depends on the message alone, so that one that is read again counts once.
    """

    name: ClassVar[str]
    """What its position, its metrics and the `network` of its events are called."""
    is_live: ClassVar[bool] = True
    """Whether the age of its newest event is how far behind it is."""

    tell: Tell = staticmethod(lambda _: None)
    """Called with a line for a person when a connection breaks or comes back; the runner sets it."""

    @abstractmethod
    def batches(self, position: Position | None) -> AsyncGenerator[Sequence[Any], None]:
        """Yield messages as they come, from `position` on, or from now on when there is none.

        The next batch is asked for when Kafka has room for the events of this one. A source that keeps a connection mends it
        itself, and reads a few seconds again rather than lose one.

        Raises:
            ConfigurationError: it will never work: the address, the user, or what is asked for.
            ServiceUnavailable: it can't go on.
        """

    @abstractmethod
    def map(self, message: Any) -> Mapped:
        """Return what a message is."""

    def raw(self, message: Any) -> bytes:
        """Return a message as it is kept."""
        if isinstance(message, bytes):
            return message
        return message.encode(errors="replace") if isinstance(message, str) else msgspec.json.encode(message, enc_hook=repr)

    def position(self) -> Position | None:
        """Return where to go on once all that was mapped so far is in Kafka; None: there is no such place."""
        return None

    def durable(self) -> None:  # noqa: B027  # most have nothing to do
        """Hear that all that was mapped so far is in Kafka."""

    def counters(self) -> dict[str, float]:
        """Return what the source itself counts, by few and fixed names, such as `reconnects`."""
        return {}


def short_id(text: str) -> str:
    """Return an event's id: the text, or where it is too long for one a digest of it.

    >>> short_id("at://did:plc:abc/app.bsky.feed.like/1"), len(short_id("x" * 300))
    ('at://did:plc:abc/app.bsky.feed.like/1', 36)
    """
    return text if len(text) <= MAX_ID_CHARS else f"xxh:{xxhash.xxh128_hexdigest(text.encode(errors='replace'))}"


def post_of(text: str) -> str | None:
    """Return a post's name for an event; None where it is too long for one, since nothing is counted by it."""
    return text if text and len(text) <= MAX_POST_CHARS else None


def clean_tags(tags: Sequence[str]) -> list[str] | None:
    """Return hashtags as topics: without `#`, in lower case, each once, in order; None when there are none.

    >>> clean_tags(["#AI", "ai", " ", "Go"])
    ['ai', 'go']
    """
    found = dict.fromkeys(tag.strip().lstrip("#").lower() for tag in tags)
    cleaned = [tag for tag in found if tag and len(tag) <= MAX_ID_CHARS and tag.isprintable()]
    return cleaned or None
