"""Messages of a Mastodon server and the events they are."""

from __future__ import annotations

import json
from typing import Any

import pytest

from streams.errors import ConfigurationError
from streams.events.decode import Event
from streams.secret import Secret
from streams.sources.mastodon.mapping import Mapping
from streams.sources.mastodon.source import Mastodon, Options, sent_of
from streams.sources.sse import Events, Lines, Sent
from tests import samples

TIME, AT = "2026-01-31T12:00:00.000Z", 1_769_860_800.0
ANN = {"id": "1", "acct": "ann", "created_at": "1970-01-02T00:00:00.000Z"}
BEN = {"id": "2", "acct": "ben@far.example"}


def status(identity: str, account: dict[str, Any], **more: Any) -> dict[str, Any]:
    uri = f"https://h/{identity}"
    return {
        "id": identity,
        "uri": uri,
        "account": account,
        "created_at": TIME,
        "visibility": "public",
        "reblog": None,
        "tags": [],
    } | more


def update(*words: Any, **more: Any) -> Sent:
    return Sent("update", json.dumps(status(*words, **more)).encode())


def told(kind: str, account: dict[str, Any], about: dict[str, Any] | None) -> Sent:
    said = {"id": "n", "type": kind, "account": account, "created_at": TIME, **({"status": about} if about else {})}
    return Sent("notification", json.dumps(said).encode())


def event(
    identity: str, kind: Any, actor: str, author: str, post: str | None, tags: list[str] | None = None, since: Any = None
) -> Event:
    return Event(identity, kind, actor, author, AT, post, tags, since, "mastodon")


TAGS = [{"name": "AI", "url": "u"}]
BENS = status("9", BEN, tags=TAGS)
CASES: list[tuple[Sent, str, list[Event], str]] = [
    (
        update("5", ANN, tags=TAGS),
        "post",
        [event("https://h/5", "tweet", "ann@home", "ann@home", "https://h/5", ["ai"], 86400.0)],
        "",
    ),
    (
        update("5", BEN, visibility="unlisted"),
        "post",
        [event("https://h/5", "tweet", "ben@far.example", "ben@far.example", "https://h/5")],
        "",
    ),
    (update("5", ANN, visibility="private"), "status", [], "not public"),
    (update("5", ANN, visibility="direct"), "status", [], "not public"),
    (
        update("5", ANN, reblog=BENS),
        "boost",
        [event("share ann@home https://h/9", "share", "ann@home", "ben@far.example", "https://h/9", ["ai"], 86400.0)],
        "",
    ),
    (update("5", ANN, reblog=status("9", BEN, visibility="private")), "boost", [], "not public"),
    (
        update("5", BEN, in_reply_to_id="3", in_reply_to_account_id="1", mentions=[ANN]),
        "reply",
        [event("https://h/5", "reply", "ben@far.example", "ann@home", None)],
        "",
    ),
    (
        update("5", BEN, in_reply_to_id="3", in_reply_to_account_id="2"),
        "reply",
        [event("https://h/5", "reply", "ben@far.example", "ben@far.example", None)],
        "",
    ),
    (update("5", BEN, in_reply_to_id="3", in_reply_to_account_id="77"), "reply", [], "author unknown"),
    (
        update("5", BEN, quote={"state": "accepted", "quoted_status": status("8", ANN)}),
        "quote",
        [
            event("https://h/5", "tweet", "ben@far.example", "ben@far.example", "https://h/5"),
            event("https://h/5#quote", "share", "ben@far.example", "ann@home", "https://h/8"),
        ],
        "",
    ),
    (
        told("favourite", ANN, BENS),
        "notification favourite",
        [event("like ann@home https://h/9", "like", "ann@home", "ben@far.example", "https://h/9", ["ai"], 86400.0)],
        "",
    ),
    (told("favourite", ANN, status("9", BEN, visibility="direct")), "notification favourite", [], "not public"),
    (
        told("mention", BEN, BENS),
        "notification mention",
        [event("https://h/9", "tweet", "ben@far.example", "ben@far.example", "https://h/9", ["ai"])],
        "",
    ),
    (told("follow", BEN, None), "notification follow", [], ""),
    (Sent("status.update", b"{}"), "status.update", [], ""),
    (Sent("delete", b"5"), "delete", [], "original unknown"),
    (Sent("update", b'{"id":'), "update", [], "unreadable"),
    (Sent("brand_new", b"{}"), "unknown brand_new", [], "unknown kind"),
]


@pytest.mark.parametrize(("message", "kind", "events", "dropped"), CASES, ids=range(len(CASES)))
def test_a_message_is_these_events(message: Sent, kind: str, events: list[Event], dropped: str) -> None:
    mapped = Mapping("home").map(message)
    assert (mapped.kind, list(mapped.events), mapped.dropped) == (kind, events, dropped)


def test_a_boost_is_the_same_event_as_a_status_and_as_a_notification() -> None:
    (as_status,) = Mapping("home").map(update("5", ANN, reblog=BENS)).events
    (as_notification,) = Mapping("home").map(told("reblog", ANN, BENS)).events
    assert as_status == as_notification


def test_who_is_answered_is_known_from_accounts_seen_before() -> None:
    mapping = Mapping("home")
    mapping.map(update("4", ANN))
    (reply,) = mapping.map(update("5", BEN, in_reply_to_id="4", in_reply_to_account_id="1")).events
    assert reply.author == "ann@home"


def test_a_deletion_takes_back_a_boost_once() -> None:
    mapping = Mapping("home")
    (boost,) = mapping.map(update("5", ANN, reblog=BENS)).events
    (undone,) = mapping.map(Sent("delete", b"5")).events
    assert (undone.id, undone.kind, undone.author, undone.undo) == (boost.id, "share", "ben@far.example", True)
    assert mapping.map(Sent("delete", b"5")).dropped == "original unknown"


@pytest.mark.parametrize(
    ("message", "sent"),
    [
        ('{"stream":["user"],"event":"delete","payload":"123"}', Sent("delete", b"123")),
        (b'{"stream":["user"],"event":"update","payload":"{\\"id\\":1}"}', Sent("update", b'{"id":1}')),
        ('{"error":"unknown stream","status":400}', Sent("error", b"")),
        ("no json", Sent("message", b"no json")),
        ("[]", Sent("message", b"[]")),
    ],
)
def test_a_message_of_the_websocket_is_one_of_the_other_stream(message: str | bytes, sent: Sent) -> None:
    assert sent_of(message) == sent


@pytest.mark.parametrize(
    ("options", "url"),
    [
        (Options("h.example", "public:local"), "https://h.example/api/v1/streaming/public/local"),
        (Options("h.example", "hashtag", "A b"), "https://h.example/api/v1/streaming/hashtag?tag=A+b"),
        (Options("h.example", "hashtag", "AI", is_websocket=True), "wss://h.example/api/v1/streaming?stream=hashtag&tag=AI"),
        (
            Options("http://127.0.0.1:1/", "user", token=Secret("t"), is_websocket=True),
            "ws://127.0.0.1:1/api/v1/streaming?stream=user",
        ),
    ],
)
def test_the_url_of_a_stream(options: Options, url: str) -> None:
    source = Mastodon(options)
    assert source.url(source._hosts.current) == url


@pytest.mark.parametrize(
    "options", [Options("h", "hashtag"), Options("h", "public", "AI"), Options("http://h.example", token=Secret("t"))]
)
def test_options_that_do_not_fit_are_refused(options: Options) -> None:
    with pytest.raises(ConfigurationError):
        Mastodon(options)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "stream_user",
            [
                ("post", [("tweet", "mastodonpy_test@localhost:3000", False)]),
                ("notification mention", [("tweet", "admin@localhost:3000", False)]),
                ("status", []),
                ("notification mention", []),
                ("status.update", []),
                ("delete", [("tweet", "mastodonpy_test@localhost:3000", True)]),
            ],
        ),
        ("stream_user_2", [("post", [("tweet", "mastodonpy_test@localhost:3000", False)])]),
    ],
)
def test_a_recorded_stream_is_mapped_message_by_message(name: str, expected: list[Any]) -> None:
    events, mapping, found = Events(), Mapping("localhost:3000"), []
    for line in Lines().feed(samples.path(f"formats/mastodon/{name}.sse.txt").read_bytes() + b"\n\n"):
        if (sent := events.feed(line)) is not None:
            mapped = mapping.map(sent)
            found.append((mapped.kind, [(e.kind, e.actor, e.undo) for e in mapped.events]))
    assert found == expected


def test_recorded_boosts_are_shares() -> None:
    calls = json.loads(samples.path("formats/mastodon/reblog_unreblog_statuses.json").read_bytes())
    mapping = Mapping("localhost:3000")
    kinds = [mapping.map(Sent("update", json.dumps(call["response"]).encode())) for call in calls]
    assert [(m.kind, [e.kind for e in m.events]) for m in kinds] == [
        ("post", ["tweet"]),
        ("boost", ["share"]),
        ("post", ["tweet"]),
        ("post", ["tweet"]),
    ]


def test_notifications_in_groups_are_not_of_the_stream_and_kept() -> None:
    groups = samples.path("formats/mastodon/grouped_notifications_v2_favourite.json").read_bytes()
    mapped = Mapping("localhost:3000").map(Sent("notification", groups))
    assert (mapped.kind, mapped.events, mapped.dropped, mapped.is_kept) == ("notification", (), "unreadable", True)
