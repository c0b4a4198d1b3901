"""Messages of X and the events they are."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from typing import Any

import pytest

from streams.errors import ConfigurationError
from streams.events.decode import Event
from streams.secret import Secret
from streams.sources.source import Mapped
from streams.sources.x.mapping import Mapping
from streams.sources.x.source import Options, X
from tests import samples

TIME, AT = "2026-01-31T12:00:00.000Z", 1_769_860_800.0
TOKEN = Secret("hunter2")


def post(identity: str, author: str, *references: tuple[str, str], **more: Any) -> dict[str, Any]:
    refers = [{"type": kind, "id": other} for kind, other in references]
    return {"id": identity, "author_id": author, "created_at": TIME, "text": "t", "referenced_tweets": refers, **more}


def line(data: Any, *tweets: dict[str, Any], users: list[Any] | None = None, **more: Any) -> bytes:
    return json.dumps({"data": data, "includes": {"tweets": tweets, "users": users or []}, **more}).encode()


def event(
    identity: str, kind: Any, actor: str, author: str, about: str, tags: list[str] | None = None, since: Any = None
) -> Event:
    return Event(identity, kind, actor, author, AT, about, tags, since, "x")


def tagged(*tags: str) -> dict[str, Any]:
    return {"hashtags": [{"start": 0, "end": 1, "tag": tag} for tag in tags]}


def activity(kind: str, payload: Any, **more: Any) -> bytes:
    return json.dumps({"data": {"event_type": kind, "filter": {"user_id": "7"}, "payload": payload, **more}}).encode()


LIKED = {"id": "l", "created_at": TIME, "timestamp_ms": "1", "liked_tweet_id": "p", "liked_tweet_author_id": "9"}

CASES: list[tuple[bytes, str, list[Event], str]] = [
    (line(post("1", "7", entities=tagged("AI"))), "post", [event("x-1", "tweet", "7", "7", "1", ["ai"])], ""),
    (
        line(post("1", "7", ("retweeted", "2"), entities=tagged("A")), post("2", "8", entities=tagged("AI", "Go"))),
        "retweeted",
        [event("x-1", "share", "7", "8", "2", ["ai", "go"])],
        "",
    ),
    (
        line(post("1", "7", ("quoted", "2")), post("2", "8")),
        "post",
        [event("x-1", "tweet", "7", "7", "1"), event("x-1#quote", "share", "7", "8", "2")],
        "",
    ),
    (
        line(post("1", "7", ("quoted", "2"), ("replied_to", "3"), in_reply_to_user_id="9"), post("2", "8")),
        "replied_to",
        [event("x-1#quote", "share", "7", "8", "2"), event("x-1", "reply", "7", "9", "3")],
        "",
    ),
    (line(post("1", "7", ("retweeted", "2"))), "retweeted", [], "author unknown"),
    (line(post("1", "7", ("boosted", "2"))), "post", [event("x-1", "tweet", "7", "7", "1")], "unknown reference"),
    (line(post("5", "7", edit_history_tweet_ids=["1", "5"])), "post", [event("x-1", "tweet", "7", "7", "5")], ""),
    (
        line(post("1", "7"), users=[{"id": "8", "created_at": TIME}, {"id": "7", "created_at": "1970-01-02T00:00:00Z"}]),
        "post",
        [event("x-1", "tweet", "7", "7", "1", since=86400.0)],
        "",
    ),
    (line({"id": "1"}), "post", [], "no author"),
    (line({"id": "1", "author_id": "7"}), "post", [], "no time"),
    (activity("post.create", post("1", "7")), "post.create", [event("x-1", "tweet", "7", "7", "1")], ""),
    (
        activity("post.repost.create", post("1", "8", ("retweeted", "2"))),
        "post.repost.create",
        [event("x-1", "share", "8", "7", "2")],
        "",
    ),
    (
        activity("like.create", LIKED, filter={"user_id": "7", "direction": "outbound"}),
        "like.create",
        [event("x-like-l", "like", "7", "9", "p")],
        "",
    ),
    (
        activity(
            "like.create",
            LIKED,
            includes={"users": [{"id": "9"}, {"id": "3"}], "tweets": [post("p", "9", entities=tagged("AI"))]},
        ),
        "like.create",
        [event("x-like-l", "like", "3", "9", "p", ["ai"])],
        "",
    ),
    (activity("like.create", LIKED), "like.create", [], "actor unknown"),
    (activity("dm.sent", {}), "unknown dm.sent", [], "unknown kind"),
    (b'{"id":"1","action":"delete","reason":"deactivated"}', "delete", [], "original unknown"),
    (b'{"errors":[{"title":"operational-disconnect"}]}', "errors", [], "error of the API"),
    (b'{"data": {"author_id": "10', "unknown line", [], "unreadable"),
    (b"{}", "unknown line", [], "unknown kind"),
    (b"", "keep-alive", [], ""),
    (b"\r", "keep-alive", [], ""),
]


@pytest.mark.parametrize(("message", "kind", "events", "dropped"), CASES, ids=range(len(CASES)))
def test_a_message_is_these_events(message: bytes, kind: str, events: list[Event], dropped: str) -> None:
    mapped = Mapping().map(message)
    assert (mapped.kind, list(mapped.events), mapped.dropped) == (kind, events, dropped)


def test_a_page_is_each_of_its_posts() -> None:
    page = line(
        [post("1", "7"), post("2", "7", ("retweeted", "3")), post("4", "8", ("replied_to", "5"), in_reply_to_user_id="7")]
    )
    mapped = Mapping().map(page)
    assert list(mapped.events) == [event("x-1", "tweet", "7", "7", "1"), event("x-4", "reply", "8", "7", "5")]
    assert [(part.kind, part.dropped) for part in mapped.parts] == [
        ("post", ""),
        ("retweeted", "author unknown"),
        ("replied_to", ""),
    ]
    assert (mapped.kind, mapped.is_kept) == ("page", True)


@pytest.mark.parametrize("gone", [b'{"id":"1","action":"delete"}', activity("post.delete", {"id": "1", "author_id": "7"})])
def test_a_deletion_takes_back_what_was_made(gone: bytes) -> None:
    mapping = Mapping()
    (made,) = mapping.map(line(post("1", "7", ("replied_to", "5"), in_reply_to_user_id="9"))).events
    (undone,) = mapping.map(gone).events
    assert (undone.id, undone.kind, undone.author, undone.at, undone.undo) == (made.id, "reply", "9", AT, True)
    assert mapping.map(gone).dropped == "original unknown"


def test_without_a_token_there_is_no_stream() -> None:
    with pytest.raises(ConfigurationError, match="X_BEARER_TOKEN"):
        X(Options())


def test_a_token_does_not_cross_the_network_in_the_clear() -> None:
    with pytest.raises(ConfigurationError, match="in the clear; expected https") as caught:
        X(Options(TOKEN, api="http://api.example"))
    assert "hunter2" not in str(caught.value)
    assert X(Options(TOKEN, api="http://127.0.0.1:80")).position() is None


@pytest.mark.parametrize(("missed_s", "minutes"), [(0.0, 1), (61.0, 2), (86_400.0, 5)])
def test_backfill_asks_for_the_minutes_missed_up_to_five(missed_s: float, minutes: int) -> None:
    source = X(Options(TOKEN, has_backfill=True))
    assert "backfill_minutes" not in source.url("https://h", AT)
    source.map(line(post("1", "7")))
    assert f"backfill_minutes={minutes}" in source.url("https://h", AT + missed_s)
    assert "backfill_minutes" not in X(Options(TOKEN)).url("https://h", AT)


Summary = tuple[str, dict[str, int], dict[str, int]]
EXPECTED: dict[str, list[Summary]] = {
    "edited": [("page", {"tweet": 1}, {})],
    "many_urls": [("page", {"reply": 1}, {})],
    "mentions_tweet": [("page", {"share": 1}, {})],
    "quoted_edit": [("page", {"share": 1, "reply": 1}, {})],
    "two_tweets": [("page", {"share": 1}, {})],
    "streaming_output_with_error": [
        ("post", {"tweet": 1, "share": 1}, {}),
        ("replied_to", {"reply": 1}, {}),
        ("post", {"tweet": 1}, {}),
        ("post", {"tweet": 1}, {}),
        ("replied_to", {"reply": 1}, {}),
        ("replied_to", {"reply": 1}, {}),
        ("post", {"tweet": 1}, {}),
        ("unknown line", {}, {"unreadable": 1}),
    ],
    "tweets_compliance": [
        ("keep-alive", {}, {}),
        ("delete", {}, {"original unknown": 1}),
        ("delete", {}, {"original unknown": 1}),
    ],
    "REFERENCE_ONLY_xaa_doc_payloads": [
        ("post.create", {"tweet": 1}, {}),
        ("post.delete", {}, {"original unknown": 1}),
        ("post.reply.create", {"reply": 1}, {}),
        ("post.quote.create", {"tweet": 1, "share": 1}, {}),
        ("post.repost.create", {"share": 1}, {}),
        ("like.create", {"like": 1}, {}),
    ],
}


def summary(mapped: Mapped) -> Summary:
    dropped = Counter(part.dropped for part in (mapped, *mapped.parts) if part.dropped)
    return mapped.kind, dict(Counter(e.kind for e in mapped.events)), dict(dropped)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_sample_is_mapped_line_by_line(name: str) -> None:
    mapping = Mapping()
    assert [summary(mapping.map(line)) for line in samples.lines(f"formats/x_api_v2/{name}.jsonl")] == EXPECTED[name]


def test_two_pages_of_a_search_are_mapped_as_a_second_reading_has_them() -> None:
    mapping, found = Mapping(), []
    expected = []
    for text in gzip.decompress(samples.path("formats/x_api_v2/search_recent_2sets.jsonl.gz").read_bytes()).splitlines():
        page = json.loads(text)
        found += mapping.map(text).events
        owner = {tweet["id"]: tweet["author_id"] for tweet in page["includes"]["tweets"]}
        for tweet in page["data"]:
            references = {r["type"]: owner.get(r["id"]) for r in tweet.get("referenced_tweets", [])}
            if not references.keys() & {"retweeted", "replied_to"}:
                expected.append((tweet["id"], "tweet", tweet["author_id"]))
            expected += [(tweet["id"], "share", references[t]) for t in ("retweeted", "quoted") if references.get(t)]
            if "replied_to" in references:
                expected.append((tweet["id"], "reply", references["replied_to"] or tweet["in_reply_to_user_id"]))
    assert len(expected) == 211
    assert sorted((e.id.removeprefix("x-").partition("#")[0], e.kind, e.author) for e in found) == sorted(expected)
