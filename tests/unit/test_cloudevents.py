"""CloudEvents in records of both modes, and the events they are."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from streams.errors import ConfigurationError, UsageError
from streams.events.decode import Event
from streams.settings import Settings
from streams.sources.cloudevents.envelope import Record
from streams.sources.cloudevents.mapping import Mapping
from streams.sources.cloudevents.source import CloudEvents
from streams.sources.file.mapping import FieldMap
from streams.sources.source import Mapped

TIME, AT = "2026-01-31T12:00:00Z", 1_769_860_800.0
ATTRIBUTES = {"specversion": "1.0", "type": "com.example.liked", "source": "/shop", "id": "42", "time": TIME}
DATA = {"user": {"id": 7}, "owner": "ben"}
FIELDS = FieldMap({"actor": "user.id", "author": "owner"}, {"com.example.liked": "like"})
EXPECTED = Event("/shop 42", "like", "7", "ben", AT)


def binary(data: Any, **attributes: str) -> Record:
    headers = [(f"ce_{name}", value.encode()) for name, value in (ATTRIBUTES | attributes).items()]
    return Record(0, 5, json.dumps(data).encode(), [*headers, ("content-type", b"application/json")], 1000)


def structured(content_type: bytes = b"application/cloudevents+json; charset=utf-8", **envelope: Any) -> Record:
    return Record(0, 5, json.dumps(ATTRIBUTES | envelope).encode(), [("Content-Type", content_type)], 1000)


@pytest.mark.parametrize(
    "record",
    [binary(DATA), structured(data=DATA), structured(data_base64=base64.b64encode(json.dumps(DATA).encode()).decode())],
    ids=["binary", "structured", "structured, base64"],
)
def test_both_modes_say_the_same(record: Record) -> None:
    assert Mapping(FIELDS).map(record) == Mapped("com.example.liked", [EXPECTED])


def test_without_a_time_the_record_has_one() -> None:
    headers = [(name, value) for name, value in binary(DATA).headers if name != "ce_time"]
    (made,) = Mapping(FIELDS).map(binary(DATA)._replace(headers=headers)).events
    assert made.at == 1.0


@pytest.mark.parametrize(
    ("record", "dropped"),
    [
        (Record(0, 1, b"{}"), "not a CloudEvent"),
        (structured(b"application/json", data=DATA), "not a CloudEvent"),
        (binary(DATA)._replace(value=b"no json"), "no JSON object"),
        (structured(data_base64="%%"), "data_base64 is no base64"),
        (structured()._replace(value=b'{"id":"1"}'), "not a CloudEvent"),
        (binary(DATA, type="com.example.other"), "unknown kind"),
        (binary({"owner": "ben"}), "no actor"),
    ],
)
def test_what_is_no_event_is_counted_and_kept(record: Record, dropped: str) -> None:
    mapped = Mapping(FIELDS).map(record)
    assert (list(mapped.events), mapped.dropped, mapped.is_kept) == ([], dropped, True)


def test_a_tombstone_is_counted() -> None:
    assert Mapping(FIELDS).map(Record(0, 1, None)) == Mapped("tombstone")


ANN, BENS = "did:plc:ann", "at://did:plc:ben/app.bsky.feed.post/1"
OWN = f"at://{ANN}/app.bsky.feed.post/9"
FACETS = json.dumps([{"features": [{"$type": "app.bsky.richtext.facet#tag", "tag": "AI"}]}])


def bluesky(kind: Any, author: str, post: str, tags: list[str] | None = None, suffix: str = "") -> Event:
    return Event(f"{OWN}{suffix}", kind, ANN, author, AT, post, tags, network="bluesky")


@pytest.mark.parametrize(
    ("kind", "data", "events"),
    [
        ("Feed.Like", {"subject_uri": BENS}, [bluesky("like", "did:plc:ben", BENS)]),
        ("Feed.Repost", {"subject_uri": BENS}, [bluesky("share", "did:plc:ben", BENS)]),
        ("Feed.Like", {"subject_uri": "at://did:plc:ben/app.bsky.feed.generator/1"}, []),
        ("Feed.Post", {"facets": FACETS, "tags": ["Go"]}, [bluesky("tweet", ANN, OWN, ["ai", "go"])]),
        ("Feed.Post", {"reply_parent": BENS, "facets": "none"}, [bluesky("reply", "did:plc:ben", BENS)]),
        ("Feed.Post", {"embed_uri": BENS}, [bluesky("tweet", ANN, OWN), bluesky("share", "did:plc:ben", BENS, suffix="#quote")]),
        ("Graph.Follow", {}, []),
    ],
)
def test_a_known_emitter_of_bluesky_needs_no_mapping(kind: str, data: dict[str, Any], events: list[Event]) -> None:
    record = binary({"uri": OWN, "did": ANN, "indexed_at": TIME, **data}, type=f"Bluesky.{kind}")
    assert list(Mapping(FieldMap()).map(record).events) == events


def test_the_position_is_the_next_offset_of_each_partition() -> None:
    source = CloudEvents(Settings(), "shop", FIELDS)
    assert source.position() is None
    source.map(binary(DATA))
    source.map(binary(DATA)._replace(partition=3, offset=0))
    assert source.position() == {"offsets": {"0": 6, "3": 1}}


@pytest.mark.parametrize("topic", ["events", "cloutstream-kept"])
def test_a_topic_that_is_written_to_is_not_read(topic: str) -> None:
    with pytest.raises(ConfigurationError, match="which `ingest` writes to"):
        CloudEvents(Settings(), topic, FIELDS)


@pytest.mark.parametrize(("paths", "kinds"), [({"nobody": "x"}, {}), ({}, {"x": "hug"})])
def test_a_mapping_to_what_no_event_has_is_refused(paths: dict[str, str], kinds: dict[str, str]) -> None:
    with pytest.raises(UsageError, match=r"expected (fields|kinds) of an event"):
        FieldMap(paths, kinds)
