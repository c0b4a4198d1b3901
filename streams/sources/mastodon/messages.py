"""What the streaming API sends, as structs: statuses and notifications."""

from __future__ import annotations

from datetime import datetime

import msgspec


class Account(msgspec.Struct, gc=False):
    """Someone; `acct` is `user` for those of the server itself, else `user@host`."""

    acct: str
    id: str = ""
    created_at: datetime | None = None


class Tag(msgspec.Struct, gc=False):
    """A hashtag without `#`."""

    name: str


class Status(msgspec.Struct, gc=False):
    """A post, or a boost when it has a `reblog`; `uri` is the same on every server, `id` is not."""

    id: str
    uri: str
    account: Account
    created_at: datetime
    visibility: str = "public"
    in_reply_to_id: str | None = None
    in_reply_to_account_id: str | None = None
    reblog: Status | None = None
    tags: list[Tag] = []
    mentions: list[Account] = []
    quote: Quote | None = None


class Quote(msgspec.Struct, gc=False):
    """What a status quotes; the status itself is there when it was accepted."""

    quoted_status: Status | None = None


class Notification(msgspec.Struct, gc=False):
    """Something that concerns the user of the stream."""

    type: str
    account: Account
    created_at: datetime
    status: Status | None = None


class Envelope(msgspec.Struct, gc=False):
    """A message of the WebSocket: what an event of the SSE stream is, in JSON."""

    event: str = ""
    payload: str = ""
    error: str = ""


decode_status = msgspec.json.Decoder(Status).decode
decode_notification = msgspec.json.Decoder(Notification).decode
decode_envelope = msgspec.json.Decoder(Envelope).decode
