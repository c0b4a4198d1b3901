"""From a CloudEvent to events: by a mapping given in words, and for the types of a known emitter of Bluesky's."""

from __future__ import annotations

from typing import Any

import msgspec

from streams.events.decode import Event
from streams.sources.bluesky.messages import HASHTAG, Facet, author_of
from streams.sources.cloudevents.envelope import CloudEvent, Record, parse
from streams.sources.file.mapping import FieldMap
from streams.sources.source import Mapped, clean_tags, post_of, short_id
from streams.sources.times import time_of

NETWORK = "cloudevents"
_BLUESKY = "Bluesky."
_decode_facets = msgspec.json.Decoder(list[Facet]).decode


class Mapping:
    """Maps records of a topic."""

    def __init__(self, fields: FieldMap) -> None:
        # An event is named, timed and told apart by its envelope, where the mapping doesn't say otherwise.
        paths = {"at": "ce_time", "kind": "ce_type", **fields.paths}
        self._fields = FieldMap(paths, fields.kinds, fields.time_unit, fields.network)

    def map(self, record: Record) -> Mapped:
        """Return what a record is."""
        if record.value is None:
            return Mapped("tombstone")
        try:
            event = parse(record)
        except ValueError as e:
            return Mapped("unknown record", dropped=str(e), is_kept=True)
        kind = event.attributes["type"]
        if kind.startswith(_BLUESKY) and kind not in self._fields.kinds:
            return _bluesky(kind.removeprefix(_BLUESKY), event, record.at_ms / 1e3)
        row = event.row()
        if "ce_time" not in row:
            row["ce_time"] = record.at_ms / 1e3  # the attribute is optional
        return self._fields.map(row, f"{event.attributes['source']} {event.attributes['id']}")


def _bluesky(kind: str, event: CloudEvent, at_s: float) -> Mapped:
    """Map the types of clemensv/real-time-sources, whose data are records with their URIs beside them."""
    data = event.data
    did, uri = _text(data, "did"), _text(data, "uri")
    at = time_of(data.get("indexed_at")) or time_of(event.attributes.get("time")) or at_s
    if kind not in ("Feed.Post", "Feed.Like", "Feed.Repost"):
        return Mapped(f"{_BLUESKY}{kind[:40]}")
    if not did or not uri:
        return Mapped(kind, dropped="no actor", is_kept=True)
    if kind != "Feed.Post":
        subject = _text(data, "subject_uri")
        author = author_of(subject)
        if not author:
            return Mapped(kind, dropped="not of a post")
        made = Event(short_id(uri), "like", did, author, at, post_of(subject), network="bluesky")
        if kind == "Feed.Repost":
            made.kind = "share"
        return Mapped(kind, [made])
    tags, parent, quoted = clean_tags(_hashtags(data)), _text(data, "reply_parent"), _text(data, "embed_uri")
    events, dropped = [], ""
    if not parent:
        events.append(Event(short_id(uri), "tweet", did, did, at, post_of(uri), tags, network="bluesky"))
    elif author := author_of(parent):
        events.append(Event(short_id(uri), "reply", did, author, at, post_of(parent), tags, network="bluesky"))
    else:
        dropped = "not of a post"
    if author := author_of(quoted):
        events.append(Event(short_id(f"{uri}#quote"), "share", did, author, at, post_of(quoted), tags, network="bluesky"))
    return Mapped(kind, events, dropped)


def _hashtags(data: dict[str, Any]) -> list[str]:
    found = [tag for tag in data.get("tags") or () if isinstance(tag, str)] if isinstance(data.get("tags"), list) else []
    try:
        facets = _decode_facets(_text(data, "facets") or "[]")
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return found
    return [feature.tag for facet in facets for feature in facet.features if feature.type == HASHTAG] + found


def _text(data: dict[str, Any], name: str) -> str:
    value = data.get(name)
    return value if isinstance(value, str) else ""
