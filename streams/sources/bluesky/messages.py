"""Messages of Jetstream as structs: the frames of both versions, and the records that engagements are made of.

One struct takes frames of either version: its fields are all optional, so that a new kind of frame is a name to be counted and
not an error. Records are decoded apart, when their collection is one that matters.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

POST, LIKE, REPOST = "app.bsky.feed.post", "app.bsky.feed.like", "app.bsky.feed.repost"
V2_PREFIX = "network.bsky.jetstream.subscribeEvents#"
QUOTES = ("app.bsky.embed.record", "app.bsky.embed.recordWithMedia")
HASHTAG = "app.bsky.richtext.facet#tag"


class Commit(msgspec.Struct, gc=False):
    """A change to one record; `record` is absent when it was deleted."""

    operation: str
    collection: str
    rkey: str
    record: msgspec.Raw = msgspec.Raw(b"")


class Account(msgspec.Struct, gc=False):
    """Whether an account can be seen."""

    active: bool
    status: str = ""


class Payload(msgspec.Struct, gc=False):
    """The message in a frame of version 2: flat, where version 1 has a `commit`."""

    type: str = msgspec.field(name="$type", default="")
    did: str = ""
    time: datetime | None = None
    operation: str = ""
    collection: str = ""
    rkey: str = ""
    record: msgspec.Raw = msgspec.Raw(b"")
    account: Account | None = None
    name: str = ""


class Frame(msgspec.Struct, gc=False):
    """A frame of either version."""

    # version 1
    did: str = ""
    time_us: int = 0
    kind: str = ""
    commit: Commit | None = None
    account: Account | None = None
    # version 2
    type: str = msgspec.field(name="$type", default="")
    payload: Payload | None = None
    error: str = ""


class Reference(msgspec.Struct, gc=False):
    """A record named by its URI."""

    uri: str


class Engagement(msgspec.Struct, gc=False):
    """A like or a repost."""

    subject: Reference


class Reply(msgspec.Struct, gc=False):
    """What a post answers: the thread's beginning is of no matter here."""

    parent: Reference


class Quoted(msgspec.Struct, gc=False):
    """The record in an embed; with media it lies one deeper."""

    uri: str = ""
    record: Reference | None = None


class Embed(msgspec.Struct, gc=False):
    """What a post shows beside its text; only quotes have a record."""

    type: str = msgspec.field(name="$type", default="")
    record: Quoted | None = None


class Feature(msgspec.Struct, gc=False):
    """What a stretch of the text is."""

    type: str = msgspec.field(name="$type", default="")
    tag: str = ""


class Facet(msgspec.Struct, gc=False):
    """A stretch of the text."""

    features: list[Feature]


class Post(msgspec.Struct, gc=False):
    """A post; its text is not looked at, hashtags are marked in it."""

    reply: Reply | None = None
    embed: Embed | None = None
    facets: list[Facet] | None = None
    tags: list[str] | None = None

    def hashtags(self) -> list[str]:
        """Return its hashtags as written, those in the text first."""
        in_text = [f.tag for facet in self.facets or () for f in facet.features if f.type == HASHTAG]
        return in_text + (self.tags or [])

    def quoted(self) -> str:
        """Return the URI of what it quotes; empty when it quotes nothing."""
        if self.embed is None or self.embed.type not in QUOTES or self.embed.record is None:
            return ""
        inner = self.embed.record.record
        return inner.uri if inner is not None else self.embed.record.uri


decode_frame = msgspec.json.Decoder(Frame).decode
decode_post = msgspec.json.Decoder(Post).decode
decode_engagement = msgspec.json.Decoder(Engagement).decode


def author_of(uri: str) -> str:
    """Return the DID of a post's URI; empty when it is not the URI of a post.

    >>> author_of("at://did:plc:abc/app.bsky.feed.post/1"), author_of("at://did:plc:abc/app.bsky.feed.generator/1")
    ('did:plc:abc', '')
    """
    parts = uri.split("/")
    if len(parts) != 5 or parts[0] != "at:" or parts[1] or parts[3] != POST or not parts[2].startswith("did:"):
        return ""
    return parts[2]
