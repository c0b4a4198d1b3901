"""Names of the things that are scored.

`account:ID`, `topic:TAG`, `campaign:ID`, and an account inside a scope, `account:ID@topic:TAG`. Ids are other people's
strings, so inside a name `%`, `@`, `{`, `}` are percent-encoded: a name splits at its first `@`, then at the first `:`,
and no id can choose a Redis cluster slot or escape its place.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote

# What no id, tag or name may hold: it would break lines or can't be encoded.
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_ENCODED = str.maketrans({"%": "%25", "@": "%40", "{": "%7B", "}": "%7D"})


class Entity(NamedTuple):
    """A parsed entity name; `scope` is `topic:TAG` or `campaign:ID` (still encoded), or None."""

    type: str
    id: str
    scope: str | None


def encode_id(raw_id: str) -> str:
    """Return `raw_id` as it stands inside an entity name.

    >>> encode_id("user@host")
    'user%40host'
    """
    return raw_id.translate(_ENCODED)


def account(raw_id: str) -> str:
    """Return the entity name of an account."""
    return "account:" + raw_id.translate(_ENCODED)


def id_of(name: str) -> str:
    """Return the raw id in an entity name, as `parse` does, without the rest.

    >>> id_of("account:user%40host@topic:ai")
    'user@host'
    """
    encoded = name[name.index(":") + 1 :].partition("@")[0]
    return unquote(encoded, errors="strict") if "%" in encoded else encoded


def topic(tag: str) -> str:
    """Return the entity name of a topic."""
    return "topic:" + tag.translate(_ENCODED)


def campaign(name: str) -> str:
    """Return the entity name of a campaign."""
    return "campaign:" + name.translate(_ENCODED)


def parse(name: str) -> Entity:
    """Split an entity name into type, raw id and scope.

    >>> parse("account:user%40host@topic:ai")
    Entity(type='account', id='user@host', scope='topic:ai')

    Raises:
        ValueError: the name has no type.
    """
    head, _, scope = name.partition("@")
    kind, colon, _ = head.partition(":")
    if not colon or kind not in ("account", "topic", "campaign"):
        raise ValueError(f"not an entity name: {name!r}; expected account:ID, topic:TAG or campaign:ID")
    return Entity(kind, id_of(name), scope or None)


def placed_by(name: str) -> str:
    """Return the text whose hash says in which partition an entity is: an account's are all where its own events are.

    >>> placed_by("account:user%40host@topic:ai"), placed_by("topic:ai")
    ('user@host', 'topic:ai')

    Raises:
        ValueError: the name has no type.
    """
    entity = parse(name)
    return entity.id if entity.type == "account" else name


def board_scope(entity: Entity) -> str:
    """Return the scope of the leaderboard an entity stands on: `all`, `topics`, `campaigns`, or its own scope."""
    if entity.scope:
        return entity.scope
    return {"account": "all", "topic": "topics", "campaign": "campaigns"}[entity.type]


def of_member(member: str, scope: str) -> str:
    """Return the entity name of the member of a leaderboard of `scope`.

    >>> of_member("user@host", "topic:ai")
    'account:user%40host@topic:ai'
    """
    if scope == "all":
        return account(member)
    if scope == "topics":
        return topic(member)
    if scope == "campaigns":
        return "campaign:" + encode_id(member)
    return f"{account(member)}@{scope}"
