"""From a message of X to events: accounts are numbers, since names change.

A post is a tweet, a reply, a repost, or a quote, which is a tweet that shares; one that replies and quotes is a reply that
shares. Whose post that was stands in the includes, or nowhere.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from streams.events.decode import Event
from streams.sources.memory import Made
from streams.sources.source import Mapped, clean_tags
from streams.sources.x.messages import (
    Activity,
    Filter,
    Includes,
    Post,
    decode_activity,
    decode_like,
    decode_message,
    decode_post,
    decode_posts,
)

NETWORK = "x"
_UNREADABLE = (msgspec.MsgspecError, UnicodeError, RecursionError, OverflowError, ValueError)
_POSTS = ("post.create", "post.reply.create", "post.quote.create", "post.repost.create", "post.mention.create")


class Mapping:
    """Maps lines of the stream, pages, and payloads of activities."""

    def __init__(self, made: Made | None = None) -> None:
        self._made = Made() if made is None else made
        self.newest_s = 0.0
        """Time of the newest post, epoch s."""

    def map(self, message: bytes) -> Mapped:
        """Return what a message is; a page is one message with many events."""
        if not message.strip():
            return Mapped("keep-alive")
        try:
            found = decode_message(message)
            data = bytes(found.data).lstrip()
            if data.startswith(b"["):
                return self._page(decode_posts(data), found.includes or Includes())
            if data:
                activity = decode_activity(data)
                if activity.event_type:
                    return self._activity(activity, found.includes or Includes())
                return self._post(decode_post(data), found.includes or Includes())
        except _UNREADABLE:
            return Mapped("unknown line", dropped="unreadable", is_kept=True)
        if found.action == "delete" and found.id:
            return self._delete(found.id)
        if bytes(found.errors):
            return Mapped("errors", dropped="error of the API", is_kept=True)
        return Mapped("unknown line", dropped="unknown kind", is_kept=True)

    def _page(self, posts: Sequence[Post], includes: Includes) -> Mapped:
        parts = [self._post(post, includes) for post in posts]
        events = [event for part in parts for event in part.events]
        return Mapped("page", events, is_kept=any(part.dropped for part in parts), parts=parts)

    def _activity(self, activity: Activity, includes: Includes) -> Mapped:
        kind, wanted = activity.event_type, activity.filter or Filter()
        includes = activity.includes or includes
        if kind in _POSTS:
            return self._post(decode_post(activity.payload), includes, wanted.user_id)._replace(kind=kind)
        if kind == "post.delete":
            return self._delete(decode_post(activity.payload).id)._replace(kind=kind)
        if kind != "like.create":
            return Mapped(f"unknown {kind[:40]}", dropped="unknown kind", is_kept=True)
        like = decode_like(activity.payload)
        others = [user.id for user in includes.users if user.id != like.liked_tweet_author_id]
        actor = wanted.user_id if wanted.direction == "outbound" else next(iter(others), "")
        if not actor:
            return Mapped(kind, dropped="actor unknown", is_kept=True)
        liked = next((post for post in includes.tweets if post.id == like.liked_tweet_id), None)
        tags = clean_tags(liked.hashtags()) if liked is not None else None
        return Mapped(
            kind,
            [Event(f"x-like-{like.id}"[:256], "like", actor, like.liked_tweet_author_id, like.created_at.timestamp(),
                   like.liked_tweet_id[:512], tags, network=NETWORK)],
        )  # fmt: skip

    def _delete(self, post_id: str) -> Mapped:
        events = self._made.take_back(post_id)
        return Mapped("delete", events, dropped="" if events else "original unknown")

    def _post(self, post: Post, includes: Includes, concerned: str = "") -> Mapped:
        kind = next((r.type for r in post.referenced_tweets if r.type in ("retweeted", "replied_to")), "post")
        if not post.author_id or post.created_at is None:
            return Mapped(kind, dropped="no author" if not post.author_id else "no time", is_kept=True)
        at = post.created_at.timestamp()
        self.newest_s = max(self.newest_s, at)
        since = next((u.created_at.timestamp() for u in includes.users if u.id == post.author_id and u.created_at), None)
        name = f"x-{(post.edit_history_tweet_ids or [post.id])[0]}"[:256]
        own_tags, events, dropped = clean_tags(post.hashtags()), [], ""
        if kind == "post":
            events.append(Event(name, "tweet", post.author_id, post.author_id, at, post.id[:512], own_tags, since, NETWORK))
        for reference in post.referenced_tweets:
            if reference.type not in ("retweeted", "quoted", "replied_to"):
                dropped = "unknown reference"
                continue
            original = next((other for other in includes.tweets if other.id == reference.id), None)
            author = (original.author_id if original is not None else "") or (
                post.in_reply_to_user_id if reference.type == "replied_to" else concerned if concerned != post.author_id else ""
            )
            if not author:
                dropped = "author unknown"
                continue
            # Those of a repost may be cut off with its text.
            tags = clean_tags(original.hashtags()) if original is not None and reference.type != "replied_to" else None
            event = Event(name, "share", post.author_id, author, at, reference.id[:512], tags or own_tags, since, NETWORK)
            if reference.type == "replied_to":
                event.kind = "reply"
            elif reference.type == "quoted":
                event.id = f"{name[:250]}#quote"
            events.append(event)
        self._made.put(post.id, events)
        return Mapped(kind, events, dropped)
