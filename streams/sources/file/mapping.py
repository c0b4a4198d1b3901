"""A mapping given in words: which of a row's values are an event's fields, and which kinds mean what."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast, get_args

import msgspec

from streams.errors import UsageError
from streams.events.decode import Event
from streams.sources.file.rows import Row, value_at
from streams.sources.source import Mapped, clean_tags, post_of, short_id
from streams.sources.times import time_of

FIELDS = tuple(f.name for f in msgspec.structs.fields(Event))
KINDS: tuple[str, ...] = get_args(next(f.type for f in msgspec.structs.fields(Event) if f.name == "kind"))


@dataclass(frozen=True)
class FieldMap:
    """Which value is which field of an event.

    `paths` has the field's name -> a name or path in the row, or `:constant`; a field that isn't named is looked for by its
    own name. `kinds` has the row's kind -> an event's. Numeric times are in `time_unit`; those without a zone are UTC.
    """

    paths: Mapping[str, str] = field(default_factory=dict)
    kinds: Mapping[str, str] = field(default_factory=dict)
    time_unit: str = "s"
    network: str | None = None

    def __post_init__(self) -> None:
        """Check the names.

        Raises:
            UsageError: one isn't a field, or a kind, of an event.
        """
        for name in self.paths:
            if name not in FIELDS:
                raise UsageError(f"--map names {name!r}; expected fields of an event: {', '.join(FIELDS)}")
        for kind in self.kinds.values():
            if kind not in KINDS:
                raise UsageError(f"--kinds names {kind!r}; expected kinds of an event: {', '.join(KINDS)}")

    def map(self, row: Row, default_id: str) -> Mapped:
        """Return what a row is; `default_id` is its event's id where it has none of its own."""
        said = _text(self._value(row, "kind"))
        kind = self.kinds.get(said, said)
        if kind not in KINDS:
            return Mapped(f"unknown {said[:40]}", dropped="unknown kind", is_kept=True)
        actor, author = _text(self._value(row, "actor")), _text(self._value(row, "author"))
        if kind == "tweet":
            author = author or actor
        if not actor or not author:
            return Mapped(said, dropped="no actor" if not actor else "no author", is_kept=True)
        at = time_of(self._value(row, "at"), self.time_unit)
        if at is None:
            return Mapped(said, dropped="no time", is_kept=True)
        since = time_of(self._value(row, "actor_since"), self.time_unit)
        event = Event(
            short_id(_text(self._value(row, "id")) or default_id), cast(Any, kind), actor, author, at,
            post_of(_text(self._value(row, "post"))), _tags(self._value(row, "tags")), since,
            _text(self._value(row, "network")) or self.network, _text(self._value(row, "undo")).lower() in ("true", "1"),
        )  # fmt: skip
        return Mapped(said, [event])

    def _value(self, row: Row, name: str) -> Any:
        path = self.paths.get(name, name)
        return path[1:] if path.startswith(":") else value_at(row, path)


def pairs(text: str, option: str) -> dict[str, str]:
    """Return `a=b,c=d` as a dict.

    Raises:
        UsageError: it isn't of that form.
    """
    found = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = part.partition("=")
        if not (name and equals and value):
            raise UsageError(f"{option} has {part!r}; expected NAME=VALUE,NAME=VALUE,...")
        found[name] = value
    return found


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None or isinstance(value, dict | list) else str(value)


def _tags(value: Any) -> list[str] | None:
    names = re.split(r"[|,;]", value) if isinstance(value, str) else value if isinstance(value, list) else []
    return clean_tags([name for name in names if isinstance(name, str)])
