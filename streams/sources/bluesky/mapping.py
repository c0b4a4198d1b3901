"""From a Jetstream message to events.

A post is a tweet; with a parent it is a reply to the parent's author; and who quotes shares what they quote. Likes and reposts
say nothing of the post's topics, and deletions nothing at all: both are known from what was seen before.
"""

from __future__ import annotations

import msgspec

from streams.events.decode import Event
from streams.sources.bluesky.messages import (
    LIKE,
    POST,
    REPOST,
    V2_PREFIX,
    Account,
    Commit,
    Payload,
    author_of,
    decode_engagement,
    decode_frame,
    decode_post,
)
from streams.sources.memory import Made, PostTags
from streams.sources.source import Mapped, clean_tags, post_of, short_id

NETWORK = "bluesky"
_NAMES = {POST: "post", LIKE: "like", REPOST: "repost"}
_GONE = ("deleted", "takendown")  # "deactivated" and "suspended" may be for a day, and who is forgotten is so for ever
_UNREADABLE = (msgspec.MsgspecError, UnicodeError, RecursionError, OverflowError, ValueError)


class Mapping:
    """Maps messages of both versions, in the order they come."""

    def __init__(self, tags: PostTags | None = None, made: Made | None = None) -> None:
        self._tags = PostTags() if tags is None else tags
        self._made = Made() if made is None else made
        self.time_us = 0
        """Jetstream's time of the newest message, epoch µs: the cursor."""

    def map(self, message: bytes | str) -> Mapped:
        """Return what a message is."""
        try:
            frame = decode_frame(message)
        except _UNREADABLE:
            return Mapped("unknown: not a frame", dropped="unreadable", is_kept=True)
        if frame.payload is not None:
            return self._version_2(frame.payload)
        if frame.time_us:
            self.time_us = frame.time_us
        if frame.kind == "commit" and frame.commit is not None and frame.did:
            return self._commit(frame.did, frame.time_us / 1e6, frame.commit)
        if frame.kind == "account" and frame.account is not None:
            return _account(frame.did, frame.account)
        if frame.kind == "identity":
            return Mapped("identity")
        if frame.type == "error":
            return Mapped(f"error {frame.error[:40]}", dropped="error frame", is_kept=True)
        return Mapped(f"unknown {frame.kind[:40] or frame.type[:40] or 'frame'}", dropped="unknown kind", is_kept=True)

    def _version_2(self, payload: Payload) -> Mapped:
        kind = payload.type.removeprefix(V2_PREFIX)
        time_s = 0.0
        if payload.time is not None and payload.time.tzinfo is not None:
            time_s = payload.time.timestamp()
            self.time_us = round(time_s * 1e6)
        if kind == "commit" and payload.did:
            commit = Commit(payload.operation, payload.collection, payload.rkey, payload.record)
            return self._commit(payload.did, time_s, commit)
        if kind == "account" and payload.account is not None:
            return _account(payload.did, payload.account)
        if kind in ("identity", "sync"):
            return Mapped(kind)
        if kind == "info":
            return Mapped(f"info {payload.name[:40]}")
        return Mapped(f"unknown {kind[:40] or 'frame'}", dropped="unknown kind", is_kept=True)

    def _commit(self, did: str, time_s: float, commit: Commit) -> Mapped:
        name = _NAMES.get(commit.collection)
        if name is None:
            return Mapped(commit.collection if commit.collection.startswith("app.bsky.") else "record of another app")
        uri = f"at://{did}/{commit.collection}/{commit.rkey}"
        if commit.operation == "delete":
            events = self._made.take_back(uri)
            return Mapped(f"{name} deleted", events, dropped="" if events else "original unknown")
        if commit.operation == "update":
            return Mapped(f"{name} updated")
        if commit.operation != "create":
            return Mapped(f"unknown operation {commit.operation[:20]}", dropped="unknown kind", is_kept=True)
        if not time_s:
            return Mapped(name, dropped="no time", is_kept=True)
        try:
            made = self._post(did, uri, time_s, commit) if name == "post" else self._engagement(did, uri, time_s, commit, name)
        except _UNREADABLE:
            return Mapped(name, dropped="malformed record", is_kept=True)
        self._made.put(uri, made.events)
        return made

    def _post(self, did: str, uri: str, time_s: float, commit: Commit) -> Mapped:
        post = decode_post(commit.record)
        tags = clean_tags(post.hashtags())
        self._tags.put(uri, tags)
        events, dropped = [], ""
        if post.reply is None:
            events.append(Event(short_id(uri), "tweet", did, did, time_s, post_of(uri), tags, network=NETWORK))
        elif author := author_of(post.reply.parent.uri):
            parent = post.reply.parent.uri
            events.append(Event(short_id(uri), "reply", did, author, time_s, post_of(parent), tags, network=NETWORK))
        else:
            dropped = "not of a post"
        quoted = post.quoted()
        if author := author_of(quoted):
            tags = tags or self._tags.get(quoted)
            events.append(Event(short_id(f"{uri}#quote"), "share", did, author, time_s, post_of(quoted), tags, network=NETWORK))
        return Mapped("reply" if post.reply else "quote" if author else "post", events, dropped)

    def _engagement(self, did: str, uri: str, time_s: float, commit: Commit, name: str) -> Mapped:
        post = decode_engagement(commit.record).subject.uri
        author = author_of(post)
        if not author:  # feeds, lists and labelers can be liked, too
            return Mapped(name, dropped="not of a post")
        event = Event(short_id(uri), "like", did, author, time_s, post_of(post), self._tags.get(post), network=NETWORK)
        if name == "repost":
            event.kind = "share"
        return Mapped(name, [event])


def _account(did: str, account: Account) -> Mapped:
    if account.active:
        return Mapped("account active")
    is_gone = account.status in _GONE
    return Mapped(f"account {account.status[:20] or 'inactive'}", is_kept=is_gone, forget=did if is_gone else "")
