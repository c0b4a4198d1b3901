"""What the API of X sends, as structs; everything else in its messages is left out."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec


class Reference(msgspec.Struct, gc=False):
    """A post that another refers to; `type` is `retweeted`, `quoted` or `replied_to`."""

    type: str
    id: str


class Hashtag(msgspec.Struct, gc=False):
    """A hashtag without `#`."""

    tag: str


class Entities(msgspec.Struct, gc=False):
    """What is marked in a text."""

    hashtags: list[Hashtag] = []


class Post(msgspec.Struct, gc=False):
    """A post; the id of an edited one is new, the first of its history stays."""

    id: str
    author_id: str = ""
    created_at: datetime | None = None
    referenced_tweets: list[Reference] = []
    in_reply_to_user_id: str = ""
    entities: Entities | None = None
    edit_history_tweet_ids: list[str] = []

    def hashtags(self) -> list[str]:
        """Return its hashtags as written."""
        return [hashtag.tag for hashtag in self.entities.hashtags] if self.entities is not None else []


class User(msgspec.Struct, gc=False):
    """An account."""

    id: str = ""
    created_at: datetime | None = None


class Includes(msgspec.Struct, gc=False):
    """Posts and accounts that the data refer to."""

    tweets: list[Post] = []
    users: list[User] = []


class Message(msgspec.Struct, gc=False):
    """A line of the stream, a page of a search, or a line of compliance; `data` is decoded by what it looks like."""

    data: msgspec.Raw = msgspec.Raw(b"")
    includes: Includes | None = None
    errors: msgspec.Raw = msgspec.Raw(b"")
    # compliance
    id: str = ""
    action: str = ""


class Filter(msgspec.Struct, gc=False):
    """Whose activity was asked for."""

    user_id: str = ""
    direction: str = ""


class Like(msgspec.Struct, gc=False):
    """A like; who gave it stands beside it."""

    id: str
    liked_tweet_id: str
    liked_tweet_author_id: str
    created_at: datetime


class Activity(msgspec.Struct, gc=False):
    """What the Activity API sends as data."""

    event_type: str = ""
    filter: Filter | None = None
    payload: msgspec.Raw = msgspec.Raw(b"")
    includes: Includes | None = None


class Rule(msgspec.Struct, gc=False):
    """A rule of the filtered stream."""

    value: str


class Rules(msgspec.Struct, gc=False):
    """What the API says of rules: those that it has, or has added, and what is wrong with others."""

    data: list[Rule] | None = None
    errors: list[dict[str, Any]] | None = None


decode_message = msgspec.json.Decoder(Message).decode
decode_activity = msgspec.json.Decoder(Activity).decode
decode_post = msgspec.json.Decoder(Post).decode
decode_posts = msgspec.json.Decoder(list[Post]).decode
decode_rules = msgspec.json.Decoder(Rules).decode
decode_like = msgspec.json.Decoder(Like).decode
