"""What ActivityStreams leaves open: an object may be an id, an object or a list of either, and whose it is may not be said."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from streams.sources.bounded import Bounded

PUBLIC = ("https://www.w3.org/ns/activitystreams#Public", "as:Public", "Public")
AUTHORS_BYTES = 32 << 20  # about 100,000 of the posts seen last
# Mastodon and its relatives name posts below their authors.
_BELOW_AUTHOR = re.compile(r"(https?://[^/]+/(?:ap/)?users/[^/]+)/statuses/[^/]+(?:/activity)?")
_MOST_URI_CHARS = 4096


def first(value: Any) -> Any:
    """Return the first of a list, or what isn't one."""
    return next(iter(value), None) if isinstance(value, list) else value


def id_of(value: Any) -> str:
    """Return the id of an object, or where it has none its URL; empty when it has neither."""
    value = first(value)
    if isinstance(value, dict):
        for name in ("id", "url", "href"):
            if found := id_of(value.get(name)):
                return found
        return ""
    return value if isinstance(value, str) and len(value) <= _MOST_URI_CHARS else ""


def type_of(value: Any) -> str:
    """Return the type of an object; empty when it is only an id."""
    found = first(value.get("type")) if isinstance(value, Mapping) else ""
    return found if isinstance(found, str) else ""


def hashtags(value: Any) -> list[str]:
    """Return the hashtags of an object, as written."""
    return [tag["name"] for tag in _tags(value) if type_of(tag) in ("Hashtag", "Tag") and isinstance(tag.get("name"), str)]


def tag_of(value: Any, href: str) -> dict[str, Any] | None:
    """Return the tag of an object that leads to `href`, None when there is none."""
    return next((tag for tag in _tags(value) if tag.get("href") == href), None)


def _tags(value: Any) -> list[dict[str, Any]]:
    tags = value.get("tag") if isinstance(value, Mapping) else None
    return [tag for tag in (tags if isinstance(tags, list) else [tags]) if isinstance(tag, dict)]


def is_public(value: Mapping[str, Any]) -> bool:
    """Return whether everybody may see an object: it is said to be for the public, or it isn't said at all."""
    said = [value.get(name) for name in ("to", "cc") if value.get(name)]
    addressed = [id_of(one) for part in said for one in (part if isinstance(part, list) else [part])]
    return not said or any(one in PUBLIC for one in addressed)


class Authors:
    """Whose the posts are that were seen, by id."""

    def __init__(self, limit_bytes: int = AUTHORS_BYTES) -> None:
        self._authors = Bounded(limit_bytes)

    def put(self, post: str, author: str) -> None:
        """Remember the author of a post."""
        self._authors.put(post, author.encode(errors="replace"))

    def of(self, value: Any) -> str:
        """Return the author of an object: as it says, as its post was seen, or as its id has it; empty when none of them does."""
        found = first(value)
        if isinstance(found, Mapping) and (said := id_of(found.get("attributedTo")) or id_of(found.get("actor"))):
            return said
        post = id_of(found)
        seen = self._authors.get(post)
        if seen is not None:
            return seen.decode()
        below = _BELOW_AUTHOR.fullmatch(post)
        return below[1] if below else ""
