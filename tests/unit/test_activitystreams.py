"""Activities and the events they are."""

from __future__ import annotations

import json
from typing import Any

import pytest

from streams.errors import ConfigurationError
from streams.events.decode import Event
from streams.secret import Secret
from streams.sources.activitystreams.inbox import Inbox
from streams.sources.activitystreams.mapping import Mapping, Received
from tests import samples

TIME, AT, NOW = "2026-01-31T12:00:00Z", 1_769_860_800.0, 1_769_900_000.0
ANN, BEN = "https://a.example/users/ann", "https://b.example/users/ben"
POST = f"{BEN}/statuses/1"
PUBLIC = "https://www.w3.org/ns/activitystreams#Public"


def received(activity: Any, at_s: float | None = NOW) -> Received:
    return Received(json.dumps(activity).encode(), at_s)


def event(
    identity: str, kind: Any, actor: str, author: str, post: str | None, at: float = AT, tags: list[str] | None = None
) -> Event:
    return Event(identity, kind, actor, author, at, post, tags, network="activitystreams")


def create(identity: str = f"{ANN}/statuses/5", **more: Any) -> dict[str, Any]:
    note = {"type": "Note", "id": identity, "attributedTo": ANN, "published": TIME, "to": [PUBLIC]} | more
    return {"type": "Create", "id": f"{identity}/activity", "actor": ANN, "to": note["to"], "object": note}


NOTE = f"{ANN}/statuses/5"
HASHTAGS = [{"type": "Hashtag", "name": "#AI"}, {"type": "Mention", "name": "@ben"}, {"type": "Tag", "name": "go"}]
LIKE = {"type": "Like", "id": "https://a.example/likes/1", "actor": ANN, "object": POST}
ANNOUNCE = {
    "type": "Announce",
    "id": "https://a.example/boosts/1",
    "actor": {"id": ANN},
    "object": [POST],
    "published": TIME,
    "to": PUBLIC,
}

CASES: list[tuple[Any, str, list[Event], str]] = [
    (create(), "Create", [event(NOTE, "tweet", ANN, ANN, NOTE)], ""),
    (create(tag=HASHTAGS), "Create", [event(NOTE, "tweet", ANN, ANN, NOTE, tags=["ai", "go"])], ""),
    (create(inReplyTo=POST), "Create", [event(NOTE, "reply", ANN, BEN, POST)], ""),
    (create(inReplyTo="https://c.example/p/1"), "Create", [], "author unknown"),
    (
        create(quoteUrl=POST),
        "Create",
        [event(NOTE, "tweet", ANN, ANN, NOTE), event(f"{NOTE}#quote", "share", ANN, BEN, POST)],
        "",
    ),
    (create(to=[f"{ANN}/followers"]), "Create", [], "not public"),
    (create()["object"], "Note", [event(NOTE, "tweet", ANN, ANN, NOTE)], ""),
    ({**create(), "object": POST}, "Create", [], "not of a post"),
    (LIKE, "Like", [event("https://a.example/likes/1", "like", ANN, BEN, POST, NOW)], ""),
    ({**LIKE, "id": None}, "Like", [event(f"Like {ANN} {POST}", "like", ANN, BEN, POST, NOW)], ""),
    (
        {**LIKE, "object": {"type": "Note", "id": "https://c.example/p", "attributedTo": [BEN]}},
        "Like",
        [event("https://a.example/likes/1", "like", ANN, BEN, "https://c.example/p", NOW)],
        "",
    ),
    ({**LIKE, "object": "https://c.example/p"}, "Like", [], "author unknown"),
    ({**LIKE, "object": None}, "Like", [], "no post"),
    ({**LIKE, "actor": {"type": "Person", "name": "Ann"}}, "Like", [], "no actor"),
    (ANNOUNCE, "Announce", [event("https://a.example/boosts/1", "share", ANN, BEN, POST)], ""),
    ({**ANNOUNCE, "to": ANN}, "Announce", [], "not public"),
    ({**ANNOUNCE, "object": {"type": "Arrive", "actor": ANN}}, "Announce", [], "not of a post"),
    ({"type": "Follow", "actor": ANN, "object": BEN}, "Follow", [], ""),
    ({"type": "Undo", "actor": ANN, "object": {"type": "Follow"}}, "Undo Follow", [], ""),
    ({"type": "Undo", "actor": ANN, "object": "https://a.example/likes/1"}, "Undo", [], "original unknown"),
    ({"type": "Delete", "actor": ANN, "object": {"type": "Tombstone", "id": NOTE}}, "Delete", [], "original unknown"),
    ({"type": "Sneeze", "actor": ANN}, "unknown Sneeze", [], "unknown kind"),
    ([], "unknown: no activity", [], "unreadable"),
    ({}, "unknown ", [], "unknown kind"),
]


@pytest.mark.parametrize(("activity", "kind", "events", "dropped"), CASES, ids=range(len(CASES)))
def test_an_activity_is_these_events(activity: Any, kind: str, events: list[Event], dropped: str) -> None:
    mapped = Mapping().map(received(activity))
    assert (mapped.kind, list(mapped.events), mapped.dropped) == (kind, events, dropped)


def test_without_a_time_of_any_kind_there_is_no_event() -> None:
    assert Mapping().map(received(LIKE, None)).dropped == "no time"
    assert Mapping().map(received(ANNOUNCE, None)).dropped == ""


def test_the_author_of_a_post_is_known_once_it_was_seen() -> None:
    mapping = Mapping()
    mapping.map(received(create("https://c.example/p/1")))
    (liked,) = mapping.map(received({**LIKE, "actor": BEN, "object": "https://c.example/p/1"})).events
    assert (liked.actor, liked.author) == (BEN, ANN)


BY_ID = {"type": "Undo", "actor": ANN, "object": LIKE["id"]}
EMBEDDED = {"type": "Undo", "actor": ANN, "object": LIKE}
WITHOUT_ID = {"type": "Undo", "actor": ANN, "object": {"type": "Like", "actor": ANN, "object": POST}}


@pytest.mark.parametrize("undo", [BY_ID, EMBEDDED, WITHOUT_ID], ids=["by id", "embedded", "embedded without id"])
def test_an_undo_takes_a_like_back_with_its_own_time(undo: Any) -> None:
    mapping = Mapping()
    mapping.map(received(LIKE))
    (undone,) = mapping.map(received(undo, NOW + 500)).events
    assert (undone.id, undone.kind, undone.actor, undone.author, undone.at, undone.undo) == (
        LIKE["id"],
        "like",
        ANN,
        BEN,
        NOW,
        True,
    )


@pytest.mark.parametrize("undo", [BY_ID, EMBEDDED, WITHOUT_ID], ids=["by id", "embedded", "embedded without id"])
def test_nobody_takes_back_what_another_did(undo: Any) -> None:
    mapping = Mapping()
    mapping.map(received(LIKE))
    assert mapping.map(received({**undo, "actor": BEN})).dropped == "original unknown"
    assert len(mapping.map(received(undo)).events) == 1


def test_a_deletion_takes_a_post_back_and_that_of_an_account_asks_to_forget_it() -> None:
    mapping = Mapping()
    mapping.map(received(create()))
    gone = {"type": "Delete", "actor": ANN, "object": {"type": "Tombstone", "id": NOTE}}
    assert [(e.kind, e.undo) for e in mapping.map(received(gone)).events] == [("tweet", True)]
    account = mapping.map(received({"type": "Delete", "actor": ANN, "object": ANN}))
    assert (account.forget, account.is_kept, account.events) == (ANN, True, ())


@pytest.mark.parametrize("address", ["0.0.0.0:8090", "192.0.2.1:80", "example.com:80", "[::]:80"])
def test_an_inbox_beyond_loopback_needs_a_token(address: str) -> None:
    with pytest.raises(ConfigurationError, match=r"--listen is .* without a token"):
        Inbox(address)
    assert Inbox(address, Secret("t")).counters() == {"turned_away": 0}
    assert Inbox("127.0.0.1:0").position() is None


EXPECTED = {
    "granary_comment": ("Note", [], "no actor"),
    "granary_follow": ("Follow", [], ""),
    "granary_like": ("Like", [], "author unknown"),
    "granary_like_of_object": ("Like", [], "no actor"),
    "granary_like_with_string_object_actor": ("Like", [], "author unknown"),
    "granary_note_mastodon_with_video": (
        "Note",
        [("tweet", "https://masto.foo/users/alice", "https://masto.foo/users/alice")],
        "",
    ),
    "granary_note_with_hashtag": ("Note", [], "no actor"),
    "granary_note_with_mention": ("Note", [], "no actor"),
    "granary_quote": (
        "Note",
        [
            ("tweet", "https://bob.bsky.social/", "https://bob.bsky.social/"),
            ("share", "https://bob.bsky.social/", "https://alice.example.com/"),
        ],
        "",
    ),
    "granary_repost": ("Announce", [("share", "http://example.com/alice", "http://example.com/bob")], ""),
    "granary_undo_object_id": ("Undo", [], "original unknown"),
    "granary_undo_repost": ("Undo", [], "original unknown"),
    "granary_unfollow": ("Undo Follow", [], ""),
    "w3c_simple0016": ("Like", [], "author unknown"),
    "w3c_simple0018": ("Like", [], "author unknown"),
    "w3c_simple0022": ("Like", [], "author unknown"),
    "w3c_simple0023": ("Undo", [], "original unknown"),
    "w3c_vocabulary-ex12-jsonld": ("Create", [], "no actor"),
    "w3c_vocabulary-ex13-jsonld": ("Delete", [], "no actor"),
    "w3c_vocabulary-ex170-jsonld": ("Announce", [], "not of a post"),
    "w3c_vocabulary-ex20-jsonld": ("Like", [], "no actor"),
    "w3c_vocabulary-ex32-jsonld": ("Undo Offer", [], ""),
    "w3c_vocabulary-ex99-jsonld": ("Like", [], "no post"),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_sample_is_these_events(name: str) -> None:
    file = next((samples.FOLDER / "formats" / "activitystreams").glob(f"{name}*.json"), samples.FOLDER / name)
    mapped = Mapping().map(Received(samples.path(str(file.relative_to(samples.FOLDER))).read_bytes(), NOW))
    assert (mapped.kind, [(e.kind, e.actor, e.author) for e in mapped.events], mapped.dropped) == EXPECTED[name]
