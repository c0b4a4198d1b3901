"""What one input record says, by the rules of the event table: checked field by field, one record at a time."""

from __future__ import annotations

import json
import re
import unicodedata
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, NamedTuple, NoReturn

MAX_DEPTH = 64

MAX_BYTES = 65_536
LAST_SECOND_S = 253_402_300_799  # 9999-12-31T23:59:59Z
KINDS = {"tweet": 0, "like": 1, "share": 2, "reply": 3}

_RFC_3339 = re.compile(r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?([Zz]|([+-])(\d\d):?(\d\d))", re.ASCII)
_LINE_SEPARATORS = "\u2028\u2029"


class Event(NamedTuple):
    """A valid event; `kind` is 0 tweet, 1 like, 2 share, 3 reply, and `at` epoch seconds as sent."""

    id: str
    kind: int
    actor: str
    author: str
    at: float
    tags: tuple[str, ...]
    is_undo: bool

    @property
    def is_self(self) -> bool:
        """Whether someone engages with their own post, which counts nothing."""
        return self.kind != 0 and self.actor == self.author


class _Refused(Exception):
    pass


def parse(value: bytes | None) -> Event | None:
    """Return the event in a record, or None when it must be refused."""
    if value is None or len(value) > MAX_BYTES:
        return None
    try:
        text = value.decode()
        if text.count("[") + text.count("{") > MAX_DEPTH and _depth(text) > MAX_DEPTH:
            return None
        found = _json.decode(text)
        if "\\u" in text:
            json.dumps(found, ensure_ascii=False).encode()  # an escaped half of a surrogate pair is no character
        for name, earlier in found.pairs if type(found) is _Repeated else ():
            _event({**found, name: earlier})  # the later value counts, but the earlier must be right as well
        return _event(found)
    except (_Refused, ValueError, RecursionError):  # UnicodeError and JSONDecodeError are ValueErrors
        return None


def _depth(text: str) -> int:
    """Return how deep brackets outside strings are nested."""
    depth = deepest = 0
    in_string = escaped = False
    for c in text:
        if in_string:
            in_string = escaped or c != '"'
            escaped = c == "\\" and not escaped
        elif c == '"':
            in_string = True
        elif c in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif c in "]}":
            depth -= 1
    return deepest


def _not_json(_: str) -> NoReturn:
    raise _Refused


class _Repeated(dict[str, Any]):
    """An object with a name twice; as a dict it has the later values."""

    pairs: list[tuple[str, Any]]


def _fields(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        fields = _Repeated(fields)
        fields.pairs = pairs
    return fields


# Numbers all as floats: an unknown field may hold an integer of any length. NaN and Infinity are not JSON.
_json = json.JSONDecoder(object_pairs_hook=_fields, parse_int=float, parse_constant=_not_json)


def _event(found: Any) -> Event:
    if not isinstance(found, dict):
        raise _Refused
    _optional_text(found.get("post"), 512)
    _optional_text(found.get("network"), None)
    if found.get("actor_since") is not None:
        _time(found["actor_since"])
    undo = found.get("undo", False)
    kind = found.get("kind")
    if type(undo) is not bool or type(kind) is not str or kind not in KINDS:
        raise _Refused
    actor, author = _name(found.get("actor")), _name(found.get("author"))
    if kind == "tweet" and actor != author:
        raise _Refused
    tags = found.get("tags")
    if tags is None:
        tags = []
    if type(tags) is not list:
        raise _Refused
    return Event(
        _name(found.get("id")), KINDS[kind], actor, author, _time(found.get("at")), tuple([_name(tag) for tag in tags]), undo
    )


def _name(value: Any) -> str:
    """Check an id or a tag: 1 to 256 characters, none of them a control character."""
    if type(value) is not str or not 1 <= len(value) <= 256:
        raise _Refused
    # `isprintable` is the quick way out for nearly all; what it calls unprintable is mostly ordinary, such as U+00A0.
    if not value.isprintable() and any(unicodedata.category(c) == "Cc" or c in _LINE_SEPARATORS for c in value):
        raise _Refused
    return value


def _optional_text(value: Any, most: int | None) -> None:
    if value is not None and (type(value) is not str or (most is not None and len(value) > most)):
        raise _Refused


def _time(value: Any) -> float:
    """Return epoch seconds of a number or an RFC 3339 time, within 1970 to 9999."""
    if type(value) is str:
        value = _rfc_3339(value)
    if type(value) is not float or not 0 < value <= LAST_SECOND_S:
        raise _Refused
    return value


def _rfc_3339(text: str) -> float:
    """Return epoch seconds; a zone without its colon is taken too, as ISO 8601 has it."""
    parts = _RFC_3339.fullmatch(text)
    if parts is None:
        raise _Refused
    fraction = (parts[7] or "").ljust(6, "0")
    zone = UTC
    if parts[9]:
        if int(parts[10]) > 23 or int(parts[11]) > 59:
            raise _Refused
        offset = timedelta(hours=int(parts[10]), minutes=int(parts[11]))
        zone = timezone(-offset if parts[9] == "-" else offset)
    try:
        year, month, day, hour, minute, second = (int(parts[i]) for i in range(1, 7))
        return datetime(year, month, day, hour, minute, second, int(fraction[:6]), tzinfo=zone).timestamp()
    except (ValueError, OverflowError):
        raise _Refused from None
