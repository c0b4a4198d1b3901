r"""From raw records to columns of valid events; each record that is refused becomes a dead letter with its reason.

A batch is decoded by one call over the joined records, but only when no record is null, empty or holds a newline: `A\nB`,
empty, `C` would decode to three events from three records, misattributed. When that call fails, or can't be used, records
are decoded one by one and only the bad ones are lost.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from streams.columns.grouping import where_true
from streams.entities import CONTROL
from streams.errors import InvalidEvent
from streams.events.engagements import KINDS, TWEET

MAX_RECORD_BYTES = 64 * 1024
MAX_EPOCH_S = 253402300799.0  # 9999-12-31T23:59:59Z; a time in milliseconds is far beyond it
MAX_TAG_CHARS = 256
MAX_DEPTH = 64
# Kinds of refusal, few and fixed, for counting: a reason holds values of the record.
FAULTS = ("empty", "size", "nesting", "encoding", "json", "field", "time", "character", "author")

Id = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
Tag = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_TAG_CHARS)]


class Event(msgspec.Struct, gc=False, omit_defaults=True):
    """An event as `design.md` 1 has it; unknown fields are ignored. Those who send one leave out what is as by default."""

    id: Id
    kind: Literal["tweet", "like", "share", "reply"]
    actor: Id
    author: Id
    at: float | str
    post: Annotated[str, msgspec.Meta(max_length=512)] | None = None
    tags: list[Tag] | None = None
    actor_since: float | str | None = None
    network: str | None = None
    undo: bool = False


@dataclass(slots=True)
class Refused:
    """One record that is not an event: its place in the batch, why, and which of `FAULTS` that is."""

    index: int
    reason: str
    fault: str


@dataclass(slots=True)
class Events:
    """Columns of the valid events of a batch, in offset order."""

    index: NDArray[np.int64]  # place in the batch
    id: list[str]
    kind: NDArray[np.uint8]
    actor: list[str]
    author: list[str]
    at: NDArray[np.float64]  # epoch s, not yet clamped to the broker's time
    tags: list[list[str] | None]
    since: NDArray[np.float64]  # epoch s; NaN where not told
    undo: NDArray[np.bool_]


_decoder = msgspec.json.Decoder(Event)
_NUMBERS = {float, type(None)}
_BRACKETS = re.compile(rb'"(?:[^"\\]|\\.)*"?|[\[\]{}]')
_KIND_CODE = {name: code for code, name in enumerate(KINDS)}


def epoch_s(value: float | str, name: str) -> float:
    """Return a time as epoch seconds.

    Raises:
        InvalidEvent: not RFC 3339 with a zone, or outside 1970 to 9999.
    """
    if isinstance(value, str):
        try:
            parsed = msgspec.convert(value, datetime)
        except msgspec.ValidationError:
            raise InvalidEvent("time", f"{name} is {value[:40]!r}; expected epoch seconds or an RFC 3339 time") from None
        if parsed.tzinfo is None:
            raise InvalidEvent("time", f"{name} is {value[:40]!r}: it has no time zone; expected one, as in 2026-01-31T12:00:00Z")
        value = parsed.timestamp()
    if not 0 < value <= MAX_EPOCH_S:
        raise InvalidEvent("time", f"{name} is {value!r}: outside 1970 to 9999; expected epoch seconds, not milliseconds")
    return float(value)


def decode_events(records: Sequence[bytes | None]) -> tuple[Events, list[Refused]]:
    """Return the valid events of a batch and the records refused. Never raises for what a record holds."""
    indices: list[int] | None = None
    refused: list[Refused] = []
    events = _decode_together(records)
    if events is None:
        events, indices, refused = _decode_singly(records)
    columns = _columns(events)
    if columns is None or _needs_a_closer_look(columns):
        places = list(range(len(events))) if indices is None else indices
        bad = _content_faults(events)
        refused += [Refused(places[i], fault.reason, fault.fault) for i, fault in bad.items()]
        refused.sort(key=lambda r: r.index)
        indices = [x for i, x in enumerate(places) if i not in bad]
        columns = _columns([x for i, x in enumerate(events) if i not in bad])
        assert columns is not None  # every time is a number now
    if indices is not None:
        columns.index = np.array(indices, dtype=np.int64)
    return columns, refused


def _columns(events: list[Event]) -> Events | None:
    """Return events as columns; None when a time is still a string."""
    at = [e.at for e in events]
    since = [e.actor_since for e in events]
    if not {*map(type, at), *map(type, since)} <= _NUMBERS:
        return None
    n = len(events)
    told = since.count(None) < n
    return Events(
        np.arange(n),
        [e.id for e in events],
        np.fromiter([_KIND_CODE[e.kind] for e in events], dtype=np.uint8, count=n),
        [e.actor for e in events],
        [e.author for e in events],
        np.array(at, dtype=np.float64),
        [e.tags for e in events],
        np.array(since, dtype=np.float64) if told else np.full(n, np.nan),
        np.fromiter([e.undo for e in events], dtype=bool, count=n),
    )


def _decode_together(records: Sequence[bytes | None]) -> list[Event] | None:
    """Decode all records with one call; None when any of them needs a closer look."""
    if not records or None in records or b"" in records or max(map(len, records)) > MAX_RECORD_BYTES:  # type: ignore[arg-type]  # None was just excluded
        return None
    joined = b"\n".join(records)  # type: ignore[arg-type]  # the same
    # `decode_lines` takes values, not lines: one may run over a line's end while the next line holds two. Nothing in JSON goes on
    # with `{` after `}`, and no string holds a newline, so where each record has its own braces none can.
    boundaries = len(records) - 1
    if joined.count(b"\n") != boundaries or joined.count(b"}\n{") != boundaries or joined[:1] + joined[-1:] != b"{}":
        return None
    # Each record has a brace of its own, so if all together have few more, none has many.
    if _brackets(joined) - boundaries > MAX_DEPTH and any([_brackets(r) > MAX_DEPTH for r in records]):  # type: ignore[arg-type]  # no None
        return None
    try:
        joined.decode()
        events = _decoder.decode_lines(joined)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return events if len(events) == len(records) else None


def _decode_singly(records: Sequence[bytes | None]) -> tuple[list[Event], list[int], list[Refused]]:
    events, indices, refused = [], [], []
    for index, record in enumerate(records):
        try:
            events.append(_decode_one(record))
            indices.append(index)
        except InvalidEvent as e:
            refused.append(Refused(index, e.reason, e.fault))
    return events, indices, refused


def _decode_one(record: bytes | None) -> Event:
    if record is None:
        raise InvalidEvent("empty", "the record is null; expected a JSON object")
    if not record.strip():
        raise InvalidEvent("empty", "the record is empty; expected a JSON object")
    if len(record) > MAX_RECORD_BYTES:
        raise InvalidEvent("size", f"the record has {len(record)} bytes; expected at most {MAX_RECORD_BYTES}")
    if _brackets(record) > MAX_DEPTH and _depth(record) > MAX_DEPTH:
        raise InvalidEvent("nesting", f"nested more than {MAX_DEPTH} deep; expected a flat object")
    try:
        record.decode()
        return _decoder.decode(record)
    except UnicodeDecodeError as e:
        raise InvalidEvent("encoding", f"not UTF-8 at byte {e.start}") from None
    except msgspec.ValidationError as e:
        raise InvalidEvent("field", str(e)) from None
    except msgspec.MsgspecError as e:
        raise InvalidEvent("json", str(e)) from None
    except RecursionError:
        raise InvalidEvent("nesting", "nested too deeply to be an event") from None


def _brackets(text: bytes) -> int:
    return text.count(b"[") + text.count(b"{")


def _depth(record: bytes) -> int:
    """Return the deepest nesting of brackets outside strings: the decoder's own limit would depend on the stack it runs on."""
    depth = deepest = 0
    for token in _BRACKETS.findall(record):
        if token in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif token in b"]}":
            depth -= 1
    return deepest


def _needs_a_closer_look(e: Events) -> bool:
    """Return whether any event may break a rule that its types can't tell; passes over whole columns are nearly free."""
    if any(e.tags) or not np.isnan(e.since).all() or ((e.at <= 0) | (e.at > MAX_EPOCH_S)).any():
        return True
    posts = where_true(e.kind == TWEET).tolist()
    if any([e.actor[i] != e.author[i] for i in posts]):
        return True
    return not all("".join(column).isprintable() for column in (e.id, e.actor, e.author))


def _content_faults(events: list[Event]) -> dict[int, InvalidEvent]:
    """Return what is wrong, by place; sets `at` and `actor_since` to epoch seconds."""
    faults: dict[int, InvalidEvent] = {}
    for i, e in enumerate(events):
        try:
            _check(e)
        except InvalidEvent as fault:
            faults[i] = fault
    return faults


def _check(e: Event) -> None:
    for name, text in (("id", e.id), ("actor", e.actor), ("author", e.author)):
        if not text.isprintable() and CONTROL.search(text):
            raise InvalidEvent("character", f"{name} is {text[:40]!r}: it has a control character")
    if e.kind == "tweet" and e.actor != e.author:
        raise InvalidEvent("author", f"author is {e.author[:40]!r} for a tweet by {e.actor[:40]!r}; expected the same account")
    for tag in e.tags or ():
        if not tag.isprintable() and CONTROL.search(tag):
            raise InvalidEvent("character", f"a tag is {tag[:40]!r}: it has a control character")
    e.at = epoch_s(e.at, "at")
    if e.actor_since is not None:
        e.actor_since = epoch_s(e.actor_since, "actor_since")
