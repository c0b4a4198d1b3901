"""Every mapping is total: any bytes give counted messages and valid events, and what was made can be sent."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streams.events.decode import Event, decode_events
from streams.sources import Mapped
from streams.sources.activitystreams.mapping import Mapping as Activities
from streams.sources.activitystreams.mapping import Received
from streams.sources.bluesky.mapping import Mapping as Bluesky
from streams.sources.cloudevents.envelope import Record
from streams.sources.cloudevents.mapping import Mapping as CloudEvents
from streams.sources.file.mapping import FieldMap
from streams.sources.file.rows import Rows
from streams.sources.file.source import mapped_rows, preset
from streams.sources.mastodon.mapping import Mapping as Mastodon
from streams.sources.mastodon.source import sent_of
from streams.sources.sse import Events, Lines, Sent
from streams.sources.x.mapping import Mapping as X

DID, URI = "did:plc:ann", "at://did:plc:ben/app.bsky.feed.post/1"
TIME = "2026-01-31T12:00:00Z"
# Words of all the formats, so that what is drawn is often nearly a message.
WORDS = [
    "commit",
    "create",
    "delete",
    "account",
    "identity",
    "app.bsky.feed.post",
    "app.bsky.feed.like",
    "app.bsky.embed.record",
    URI,
    DID,
    TIME,
    "Create",
    "Like",
    "Announce",
    "Undo",
    "Delete",
    "Note",
    "https://h/users/a/statuses/1",
    "like",
    "post",
    "vote",
    "retweeted",
    "like.create",
    "update",
    "favourite",
    "public",
    "message",
    "network.bsky.jetstream.subscribeEvents#commit",
    "WatchEvent",
    "\ud800",
    "\x00",
]
NAMES = [
    "did",
    "time_us",
    "kind",
    "commit",
    "operation",
    "collection",
    "rkey",
    "record",
    "subject",
    "uri",
    "reply",
    "parent",
    "embed",
    "$type",
    "facets",
    "features",
    "tag",
    "tags",
    "payload",
    "time",
    "account",
    "active",
    "status",
    "data",
    "includes",
    "tweets",
    "users",
    "id",
    "author_id",
    "created_at",
    "referenced_tweets",
    "type",
    "event_type",
    "reblog",
    "acct",
    "visibility",
    "actor",
    "object",
    "attributedTo",
    "published",
    "inReplyTo",
    "to",
    "quoteUrl",
    "author",
    "at",
    "login",
    "repo",
    "name",
    "filter",
    "user_id",
    "action",
    "url",
    "seq",
]
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(WORDS) | st.text(max_size=6)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=6),
    max_leaves=20,
)
OBJECTS = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=8)
JSON = OBJECTS.map(lambda found: json.dumps(found).encode())
COLUMNS = st.lists(st.sampled_from([*WORDS[:-2], "", "100", "-1", "ann"]), min_size=7, max_size=10).map(
    lambda w: "\t".join(w).encode()
)
ANYTHING = st.binary(max_size=60) | JSON | COLUMNS

# Right messages with one thing changed, since few others come so far.
COMMIT: dict[str, Any] = {
    "did": DID,
    "time_us": 5,
    "kind": "commit",
    "commit": {
        "operation": "create",
        "collection": "app.bsky.feed.post",
        "rkey": "1",
        "record": {
            "reply": {"parent": {"uri": URI}},
            "embed": {"$type": "app.bsky.embed.record", "record": {"uri": URI}},
            "facets": [{"features": [{"$type": "app.bsky.richtext.facet#tag", "tag": "x"}]}],
            "tags": ["y"],
        },
    },
}
POST: dict[str, Any] = {
    "data": {"id": "1", "author_id": "2", "created_at": TIME, "referenced_tweets": [{"type": "quoted", "id": "3"}]},
    "includes": {"tweets": [{"id": "3", "author_id": "4", "entities": {"hashtags": [{"tag": "x"}]}}], "users": [{"id": "2"}]},
}
STATUS: dict[str, Any] = {
    "id": "1",
    "uri": "u",
    "created_at": TIME,
    "account": {"id": "1", "acct": "a"},
    "tags": [{"name": "x"}],
    "mentions": [],
    "reblog": {"id": "2", "uri": "v", "created_at": TIME, "account": {"id": "1", "acct": "b@c"}},
}
ACTIVITY: dict[str, Any] = {
    "type": "Create",
    "actor": "a",
    "published": TIME,
    "object": {
        "type": "Note",
        "id": "n",
        "inReplyTo": "https://h/users/a/statuses/1",
        "tag": [{"type": "Hashtag", "name": "#x"}],
    },
}
ENVELOPE: dict[str, Any] = {"id": "1", "source": "s", "type": "like", "time": TIME, "data": {"actor": "a", "author": "b"}}


def paths(value: Any, before: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [before, *[path for key, one in inner for path in paths(one, (*before, key))]]


@st.composite
def nearly(draw: st.DrawFn, message: dict[str, Any]) -> bytes:
    changed = json.loads(json.dumps(message))
    for path in draw(st.lists(st.sampled_from(paths(message)[1:]), max_size=2, unique=True)):
        value = draw(VALUES)
        with contextlib.suppress(KeyError, IndexError, TypeError):  # an earlier change may have taken away where it was
            target: Any = changed
            for key in path[:-1]:
                target = target[key]
            target[path[-1]] = value
    return json.dumps(changed).encode()


def check(mapped: Mapped) -> None:
    """What a source returns can be counted, and what it lets through is an event unless its ids are wrong."""
    assert isinstance(mapped.kind, str)
    assert mapped.events or mapped.dropped or not mapped.kind.startswith("unknown")
    assert mapped.is_kept or not mapped.forget
    for event in mapped.events:
        assert isinstance(event, Event)
        try:
            value = msgspec.json.encode(event)
        except UnicodeEncodeError:
            continue  # half a character in an id: the runner counts it
        _, refused = decode_events([value])
        # Nothing but other people's ids and times may be wrong with it.
        assert all(r.fault in ("character", "field", "author", "time") for r in refused)
        # Nothing but other people's ids and times may be wrong with it.
        assert all(
            "id" in r.reason or "actor" in r.reason or "author" in r.reason or "at " in r.reason or "since" in r.reason
            for r in refused
        )


def of_stream(message: bytes) -> list[Mapped]:
    mapping = Mastodon("h")
    return [mapping.map(Sent(name, message)) for name in ("update", "notification", "delete", "x")] + [
        mapping.map(sent_of(message))
    ]


def of_record(message: bytes) -> list[Mapped]:
    headers = [("ce_id", b"1"), ("ce_source", b"s"), ("ce_type", b"Bluesky.Feed.Post"), ("ce_time", TIME.encode())]
    mapping = CloudEvents(FieldMap())
    structured = [("content-type", b"application/cloudevents+json")]
    return [
        mapping.map(Record(0, 0, message, given)) for given in ((), headers, structured, [*headers[:2], ("ce_type", b"like")])
    ]


def of_line(message: bytes) -> list[Mapped]:
    found = [preset(name)(1, message) for name in ("events", "higgs")]
    for name in ("gharchive", "steem"):
        mapping = preset(name)
        found += [mapping(1, message), mapping(2, message)]
    return found + [
        mapped_rows(Rows(format, ["kind", "actor", "author", "at"]), FieldMap(), "f")(1, message)
        for format in ("json", "csv", "tsv")
    ]


def of_each(make: Callable[[], Callable[[Any], Mapped]]) -> Callable[[bytes], list[Mapped]]:
    return lambda message: [make()(message)]


SOURCES: dict[str, tuple[Callable[[bytes], list[Mapped]], dict[str, Any]]] = {
    "bluesky": (of_each(lambda: Bluesky().map), COMMIT),
    "x": (of_each(lambda: X().map), POST),
    "mastodon": (of_stream, STATUS),
    "activitystreams": (lambda message: [Activities().map(Received(message, at)) for at in (5.0, None)], ACTIVITY),
    "cloudevents": (of_record, ENVELOPE),
    "file": (of_line, {"kind": "like", "actor": "a", "author": "b", "at": 5, "id": "1"}),
}


@pytest.mark.parametrize("source", SOURCES)
@given(message=ANYTHING)
@example(message=b"\xff\xfe")
@example(message=b"")
@example(message=b"null")
@example(message=b'{"time_us": 1e400}')
@example(message=b"[" * 5000)
@example(message=b'{"data":' * 3000)
def test_any_bytes_are_counted(source: str, message: bytes) -> None:
    for mapped in SOURCES[source][0](message):
        check(mapped)


@pytest.mark.parametrize("source", SOURCES)
@given(data=st.data())
def test_a_message_with_something_changed_is_counted(source: str, data: st.DataObject) -> None:
    run, message = SOURCES[source]
    for mapped in run(data.draw(nearly(message))):
        check(mapped)


@pytest.mark.parametrize("source", SOURCES)
def test_the_messages_that_are_changed_are_right_ones(source: str) -> None:
    run, message = SOURCES[source]
    assert any(mapped.events for mapped in run(json.dumps(message).encode()))


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=8))
def test_pieces_of_any_size_give_the_same_events(stream: bytes, cuts: list[int]) -> None:
    def sent(pieces: list[bytes]) -> list[Sent]:
        lines, events = Lines(), Events()
        return [found for piece in pieces for line in lines.feed(piece) if (found := events.feed(line)) is not None]

    stream = b"event: update\ndata: 1\n\n" + stream + b"\n\nevent: x\r\ndata: a\r\ndata:b\r\n\r\n"
    bounds = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    whole = sent([stream])
    assert whole == sent([stream[a:b] for a, b in pairwise(bounds)])
    assert (whole[0], whole[-1]) == (Sent("update", b"1"), Sent("x", b"a\nb"))
