"""From an activity to events: Create is a post or a reply, Announce a share, Like a like; Undo and Delete take them back.

Only who did something can take it back. Times are `published`, or when the activity was received.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from streams.events.decode import Event
from streams.sources.activitystreams.objects import Authors, first, hashtags, id_of, is_public, tag_of, type_of
from streams.sources.memory import Made
from streams.sources.source import Mapped, clean_tags, post_of, short_id
from streams.sources.times import time_of

NETWORK = "activitystreams"
_POSTS = ("Note", "Article", "Page", "Question", "Image", "Video", "Audio", "Event")
_IGNORED = (
    "Follow", "Accept", "Reject", "TentativeAccept", "TentativeReject", "Update", "Add", "Remove", "Block", "Flag", "Move",
    "Join", "Leave", "View", "Read", "Listen", "Offer", "Invite", "Ignore", "Arrive", "Travel",
)  # fmt: skip
_QUOTES = ("quote", "quoteUrl", "quoteUri", "_misskey_quote")
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class Received(NamedTuple):
    """An activity, and when it came, epoch s; None where nobody knows."""

    body: bytes
    at_s: float | None = None


class Mapping:
    """Maps activities in the order they come."""

    def __init__(self, made: Made | None = None, authors: Authors | None = None) -> None:
        self._made = Made() if made is None else made
        self._authors = Authors() if authors is None else authors

    def map(self, message: Received) -> Mapped:
        """Return what an activity is."""
        try:
            activity = _decode(message.body)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return Mapped("unknown: no activity", dropped="unreadable", is_kept=True)
        kind = type_of(activity)
        if kind in _IGNORED:
            return Mapped(kind)
        actor = id_of(activity.get("actor")) or (self._authors.of(activity) if kind in _POSTS else "")
        if kind in ("Undo", "Delete"):
            return self._take_back(kind, activity, actor)
        if kind not in ("Create", "Like", "Announce", *_POSTS):
            return Mapped(f"unknown {kind[:40]}", dropped="unknown kind", is_kept=True)
        if not actor:
            return Mapped(kind, dropped="no actor", is_kept=True)
        subject = first(activity) if kind in _POSTS else first(activity.get("object"))
        at_s = time_of(activity.get("published"))
        if at_s is None and isinstance(subject, dict) and kind not in ("Like", "Announce"):
            at_s = time_of(subject.get("published"))
        at_s = message.at_s if at_s is None else at_s
        if at_s is None:
            return Mapped(kind, dropped="no time", is_kept=True)
        if kind in ("Like", "Announce"):
            return self._engagement(kind, activity, actor, subject, at_s)
        return self._post(kind, activity, actor, subject, at_s)

    def _engagement(self, kind: str, activity: dict[str, Any], actor: str, subject: Any, at_s: float) -> Mapped:
        if kind == "Announce" and not is_public(activity):
            return Mapped(kind, dropped="not public")
        if type_of(subject) and type_of(subject) not in _POSTS:
            return Mapped(kind, dropped="not of a post")
        post, author = id_of(subject), self._authors.of(subject)
        if not post or not author:
            return Mapped(kind, dropped="no post" if not post else "author unknown", is_kept=True)
        name, own = f"{kind} {actor} {post}", id_of({"id": activity.get("id")})
        tags = clean_tags(hashtags(subject))
        event = Event(short_id(own or name), "like", actor, author, at_s, post_of(post), tags, network=NETWORK)
        if kind == "Announce":
            event.kind = "share"
        # An Undo names it by its id, or by what it says.
        for called in filter(None, (own, name)):
            self._made.put(called, [event])
        return Mapped(kind, [event])

    def _post(self, kind: str, activity: dict[str, Any], actor: str, note: Any, at_s: float) -> Mapped:
        if not isinstance(note, dict) or type_of(note) not in _POSTS:
            return Mapped(kind, dropped="not of a post", is_kept=True)
        if not (is_public(activity) and is_public(note)):
            return Mapped(kind, dropped="not public")
        post, tags = id_of(note), clean_tags(hashtags(note))
        name = post or id_of({"id": activity.get("id")})
        if not name:
            return Mapped(kind, dropped="no id", is_kept=True)
        self._authors.put(name, actor)
        events, dropped = [], ""
        answered = note.get("inReplyTo")
        if not answered:
            events.append(Event(short_id(name), "tweet", actor, actor, at_s, post_of(name), tags, network=NETWORK))
        elif author := self._authors.of(answered):
            parent = post_of(id_of(answered))
            events.append(Event(short_id(name), "reply", actor, author, at_s, parent, tags, network=NETWORK))
        else:
            dropped = "author unknown"
        if quoted := next((id_of(note[q]) for q in _QUOTES if note.get(q)), ""):
            # What is quoted may stand among the tags, with its author (FEP-e232).
            if author := self._authors.of(tag_of(note, quoted) or quoted):
                share = Event(short_id(f"{name}#quote"), "share", actor, author, at_s, post_of(quoted), tags, network=NETWORK)
                events.append(share)
            else:
                dropped = dropped or "author unknown"
        self._made.put(name, events)
        return Mapped(kind, events, dropped, is_kept=bool(dropped))

    def _take_back(self, kind: str, activity: dict[str, Any], actor: str) -> Mapped:
        undone = first(activity.get("object"))
        name, done = id_of(undone), type_of(undone)
        if kind == "Delete" and actor and name == actor:
            return Mapped("Delete of an account", is_kept=True, forget=actor)
        if kind == "Undo" and done and done not in ("Like", "Announce"):
            return Mapped(f"Undo {done[:40]}" if done in _IGNORED else "Undo of something else")
        if not actor:
            return Mapped(kind, dropped="no actor", is_kept=True)
        names = [name]
        if kind == "Undo" and isinstance(undone, dict):
            names = [id_of({"id": undone.get("id")}), f"{done} {actor} {id_of(undone.get('object'))}"]
        for called in filter(None, names):
            if events := self._made.take_back(called, actor):
                return Mapped(kind, events)
        return Mapped(kind, dropped="original unknown")
