"""Messages of Jetstream, of both versions, and the events they are."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest
import zstandard

from streams.events.decode import Event
from streams.sources.bluesky.jetstream import HOSTS, Jetstream, Options
from streams.sources.bluesky.mapping import Mapping
from streams.sources.memory import Made, PostTags
from streams.sources.source import Mapped
from tests import samples

AT_US = 1_783_175_888_090_631
POST, LIKE, REPOST = "app.bsky.feed.post", "app.bsky.feed.like", "app.bsky.feed.repost"
ANN, BEN, CAT = "did:plc:ann", "did:plc:ben", "did:web:cat.example"


def uri(did: str, rkey: str, collection: str = POST) -> str:
    return f"at://{did}/{collection}/{rkey}"


def commit(did: str, collection: str, rkey: str, record: Any = None, operation: str = "create", at_us: int = AT_US) -> bytes:
    change = {"rev": "r", "operation": operation, "collection": collection, "rkey": rkey, "cid": "c"}
    if record is not None:
        change["record"] = record
    return json.dumps({"did": did, "time_us": at_us, "kind": "commit", "commit": change}).encode()


def version_2(message: bytes) -> bytes:
    """Return the frame in which version 2 has what version 1 says so."""
    old = json.loads(message)
    time = datetime.fromtimestamp(old["time_us"] // 1_000_000, UTC).replace(microsecond=old["time_us"] % 1_000_000)
    payload = {
        "$type": f"network.bsky.jetstream.subscribeEvents#{old['kind']}",
        "seq": 7,
        "did": old["did"],
        "time": time.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        **old.get("commit", {}),
        **{name: old[name] for name in ("account", "identity") if name in old},
    }
    return json.dumps({"$type": "message", "payload": payload}).encode()


def account(active: bool, status: str = "") -> bytes:
    return json.dumps({"did": ANN, "time_us": 5, "kind": "account", "account": {"active": active, "status": status}}).encode()


def payload(kind: str, **fields: str) -> bytes:
    return json.dumps(
        {"$type": "message", "payload": {"$type": f"network.bsky.jetstream.subscribeEvents#{kind}", **fields}}
    ).encode()


def subject(post: str) -> dict[str, Any]:
    return {"subject": {"uri": post, "cid": "c"}}


def facets(*tags: str) -> list[dict[str, Any]]:
    feature = "app.bsky.richtext.facet#tag"
    return [{"index": {"byteStart": 0, "byteEnd": 1}, "features": [{"$type": feature, "tag": tag}]} for tag in tags]


def event(identity: str, kind: Any, actor: str, author: str, post: str, tags: list[str] | None = None, **more: Any) -> Event:
    return Event(identity, kind, actor, author, AT_US / 1e6, post, tags, network="bluesky", **more)


REPLY = {"parent": {"uri": uri(BEN, "p2"), "cid": "c"}, "root": {"uri": uri(CAT, "p1"), "cid": "c"}}
QUOTE = {"$type": "app.bsky.embed.record", "record": {"uri": uri(CAT, "p9"), "cid": "c"}}
QUOTE_WITH_MEDIA = {
    "$type": "app.bsky.embed.recordWithMedia",
    "media": {"$type": "m"},
    "record": {"record": {"uri": uri(BEN, "q"), "cid": ""}},
}
LIST = {"$type": "app.bsky.embed.record", "record": {"uri": uri(CAT, "x", "app.bsky.graph.list"), "cid": "c"}}
PICTURES = {"$type": "app.bsky.embed.images", "images": []}
OWN = uri(ANN, "1")

CASES: list[tuple[bytes, str, list[Event], str]] = [
    (commit(ANN, POST, "1", {"text": "hi"}), "post", [event(OWN, "tweet", ANN, ANN, OWN)], ""),
    (
        commit(ANN, POST, "1", {"facets": facets("#AI", "Go"), "tags": ["ai", "Zoë"]}),
        "post",
        [event(OWN, "tweet", ANN, ANN, OWN, ["ai", "go", "zoë"])],
        "",
    ),
    (commit(ANN, POST, "1", {"embed": PICTURES}), "post", [event(OWN, "tweet", ANN, ANN, OWN)], ""),
    (commit(ANN, POST, "1", {"reply": REPLY}), "reply", [event(OWN, "reply", ANN, BEN, uri(BEN, "p2"))], ""),
    (
        commit(ANN, POST, "1", {"embed": QUOTE}),
        "quote",
        [event(OWN, "tweet", ANN, ANN, OWN), event(f"{OWN}#quote", "share", ANN, CAT, uri(CAT, "p9"))],
        "",
    ),
    (
        commit(ANN, POST, "1", {"reply": REPLY, "embed": QUOTE_WITH_MEDIA}),
        "reply",
        [event(OWN, "reply", ANN, BEN, uri(BEN, "p2")), event(f"{OWN}#quote", "share", ANN, BEN, uri(BEN, "q"))],
        "",
    ),
    (commit(ANN, POST, "1", {"embed": LIST}), "post", [event(OWN, "tweet", ANN, ANN, OWN)], ""),
    (commit(ANN, LIKE, "2", subject(uri(CAT, "p"))), "like", [event(uri(ANN, "2", LIKE), "like", ANN, CAT, uri(CAT, "p"))], ""),
    (
        commit(ANN, REPOST, "2", subject(uri(BEN, "p"))),
        "repost",
        [event(uri(ANN, "2", REPOST), "share", ANN, BEN, uri(BEN, "p"))],
        "",
    ),
    (commit(ANN, LIKE, "2", subject(uri(BEN, "feed", "app.bsky.feed.generator"))), "like", [], "not of a post"),
    (commit(ANN, LIKE, "2", subject("at://ben.example/app.bsky.feed.post/1")), "like", [], "not of a post"),
    (commit(ANN, LIKE, "2", {"subject": "did:plc:ben"}), "like", [], "malformed record"),
    (commit(ANN, LIKE, "2"), "like", [], "malformed record"),
    (commit(ANN, POST, "1", {"text": "hi"}, "update"), "post updated", [], ""),
    (commit(ANN, POST, "1", operation="delete"), "post deleted", [], "original unknown"),
    (commit(ANN, "app.bsky.graph.follow", "1", {"subject": BEN}), "app.bsky.graph.follow", [], ""),
    (commit(ANN, "fm.example.status", "self", {"a": 1}), "record of another app", [], ""),
]


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(("message", "kind", "events", "dropped"), CASES, ids=range(len(CASES)))
def test_a_commit_is_these_events_in_both_versions(
    message: bytes, kind: str, events: list[Event], dropped: str, version: int
) -> None:
    mapping = Mapping()
    mapped = mapping.map(message if version == 1 else version_2(message))
    assert (mapped.kind, mapped.events, mapped.dropped) == (kind, events or mapped.events, dropped)
    assert list(mapped.events) == events
    assert mapping.time_us == AT_US
    assert mapped.is_kept == (dropped == "malformed record")


@pytest.mark.parametrize(
    ("message", "kind", "is_kept", "forget"),
    [
        (account(True), "account active", False, ""),
        (account(False, "takendown"), "account takendown", True, ANN),
        (account(False, "deleted"), "account deleted", True, ANN),
        (account(False, "deactivated"), "account deactivated", False, ""),
        (b'{"did":"did:plc:ann","time_us":5,"kind":"identity","identity":{}}', "identity", False, ""),
        (b'{"did":"did:plc:ann","time_us":5,"kind":"sneeze"}', "unknown sneeze", True, ""),
        (b'{"$type":"error","error":"ConsumerTooSlow","message":"m"}', "error ConsumerTooSlow", True, ""),
        (payload("info", name="OutdatedCursor"), "info OutdatedCursor", False, ""),
        (payload("new", did="x"), "unknown new", True, ""),
        (b"[]", "unknown: not a frame", True, ""),
        (b"", "unknown: not a frame", True, ""),
        (b'{"did":1}', "unknown: not a frame", True, ""),
    ],
)
def test_what_is_no_commit_is_counted_and_kept_where_it_matters(message: bytes, kind: str, is_kept: bool, forget: str) -> None:
    mapped = Mapping().map(message)
    assert mapped == Mapped(kind, (), mapped.dropped, is_kept, forget)
    assert bool(mapped.dropped) == (is_kept and not forget)


def test_likes_and_reposts_have_the_tags_of_the_post_where_it_was_seen() -> None:
    mapping = Mapping()
    mapping.map(commit(BEN, POST, "p", {"tags": ["AI"]}))
    for collection in (LIKE, REPOST):
        (made,) = mapping.map(commit(ANN, collection, "1", subject(uri(BEN, "p")))).events
        assert made.tags == ["ai"]
    (unseen,) = mapping.map(commit(ANN, LIKE, "2", subject(uri(BEN, "other")))).events
    assert unseen.tags is None
    quote = {"$type": "app.bsky.embed.record", "record": {"uri": uri(BEN, "p"), "cid": "c"}}
    assert [e.tags for e in mapping.map(commit(ANN, POST, "3", {"embed": quote})).events] == [None, ["ai"]]


@pytest.mark.parametrize("collection", [POST, LIKE, REPOST])
def test_a_deletion_takes_back_what_was_made_with_its_own_time_once(collection: str) -> None:
    mapping = Mapping()
    record = {"reply": REPLY, "embed": QUOTE} if collection == POST else subject(uri(BEN, "p"))
    made = mapping.map(commit(ANN, collection, "1", record)).events
    gone = commit(ANN, collection, "1", operation="delete", at_us=AT_US + 9_000_000)
    taken_back = mapping.map(gone)
    expected = [Event(e.id, e.kind, e.actor, e.author, e.at, e.post, e.tags, network=e.network, undo=True) for e in made]
    assert list(taken_back.events) == expected
    assert len(expected) == (2 if collection == POST else 1)
    assert mapping.map(gone).dropped == "original unknown"


def test_a_deletion_by_another_account_takes_nothing_back() -> None:
    mapping = Mapping()
    mapping.map(commit(ANN, LIKE, "1", subject(uri(BEN, "p"))))
    assert mapping.map(commit(BEN, LIKE, "1", operation="delete")).dropped == "original unknown"
    assert len(mapping.map(commit(ANN, LIKE, "1", operation="delete")).events) == 1


def test_what_is_remembered_has_a_bound() -> None:
    tags, made = PostTags(10_000), Made(10_000)
    mapping = Mapping(tags, made)
    for number in range(300):
        mapping.map(commit(BEN, POST, str(number), {"tags": ["ai"]}))
    (oldest,) = mapping.map(commit(ANN, LIKE, "a", subject(uri(BEN, "0")))).events
    (newest,) = mapping.map(commit(ANN, LIKE, "b", subject(uri(BEN, "299")))).events
    assert (oldest.tags, newest.tags) == (None, ["ai"])
    assert mapping.map(commit(BEN, POST, "0", operation="delete")).dropped == "original unknown"
    assert mapping.map(commit(BEN, POST, "299", operation="delete")).dropped == ""


def test_the_cursor_is_the_time_of_the_newest_message_less_the_overlap() -> None:
    source = Jetstream(Options(overlap_s=5.0))
    assert source.position() is None
    assert "cursor=" not in source.url("wss://h")[0]
    source.map(commit(ANN, POST, "1", {"text": "hi"}))
    assert source.position() == {"time_us": AT_US}
    assert source.url("wss://h")[0].endswith(f"&cursor={AT_US - 5_000_000}")


def test_a_subscription_asks_for_what_is_mapped_in_the_words_of_its_version() -> None:
    url, protocols = Jetstream(Options()).url("wss://h")
    assert url.startswith(f"wss://h/subscribe?wantedCollections={POST}&wantedCollections={LIKE}&wantedCollections={REPOST}&")
    assert protocols == ()
    url, protocols = Jetstream(Options(version=2)).url("wss://h")
    asked = f"kinds=commit&kinds=account&collections={POST}&collections={LIKE}&collections={REPOST}&"
    assert url.startswith(f"wss://h/xrpc/network.bsky.jetstream.subscribeEvents?{asked}")
    assert protocols == ("xrpc.v1.json",)
    assert {len(HOSTS[1]), len(HOSTS[2])} == {4, 2}


def author_in(post: str) -> str:
    return post.removeprefix("at://").partition("/")[0]


def test_the_production_sample_is_counted_and_mapped_as_a_second_reading_has_it() -> None:
    lines = samples.lines("formats/bluesky_jetstream/v1_subscribe_real_152.jsonl")
    mapping, kinds, dropped, made = Mapping(), Counter[str](), Counter[str](), []
    for line in lines:
        mapped = mapping.map(line)
        kinds[mapped.kind] += 1
        dropped[mapped.dropped] += 1
        made += mapped.events
        assert [vars_of(e) for e in mapped.events] == [vars_of(e) for e in Mapping().map(version_2(line)).events]
    assert kinds == {
        "like": 105,
        "repost": 15,
        "post": 9,
        "reply": 8,
        "app.bsky.graph.follow": 9,
        "app.bsky.graph.block": 1,
        "app.bsky.actor.status": 1,
        "record of another app": 1,
        "post deleted": 1,
        "identity": 1,
        "account active": 1,
    }
    assert dropped == {"": 151, "original unknown": 1}
    assert Counter(e.kind for e in made) == {"like": 105, "share": 15, "tweet": 9, "reply": 8}
    # One of 120 likes and reposts is of the actor's own post.
    assert sum(e.actor == e.author for e in made if e.kind in ("like", "share")) == 1
    assert [e.tags for e in made if e.kind == "tweet" and e.tags] == [
        ["howtotellaitoshutup", "indierebellion"],
        ["talesatwonderworld", "balanwonderworldoc"],
    ]
    by_id = {e.id: e for e in made}
    for line in lines:
        told = json.loads(line)
        change = told.get("commit", {})
        record = change.get("record", {})
        if change.get("collection") not in (POST, LIKE, REPOST) or change["operation"] != "create":
            continue
        found = by_id.pop(f"at://{told['did']}/{change['collection']}/{change['rkey']}")
        target = record["subject"]["uri"] if "subject" in record else record.get("reply", {}).get("parent", {}).get("uri")
        assert (found.actor, found.author) == (told["did"], author_in(target) if target else told["did"])
        assert found.at == told["time_us"] / 1e6
    assert by_id == {}


def vars_of(made: Event) -> tuple[Any, ...]:
    # What a post's likes get from posts seen before isn't known to a mapping that has seen but one message.
    return (made.id, made.kind, made.actor, made.author, made.at, made.post)


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("v1_jsonbench_head10_2024-11-21", {"reply": 3, "like": 3, "app.bsky.graph.follow": 3, "repost": 1}),
        ("v1_readme_examples", {"like": 1, "app.bsky.graph.follow": 1, "identity": 1, "account active": 1, "unknown frame": 1}),
        ("FUZZ_pre-2024-10_short_keys_from_zdict", {"unknown frame": 6, "unknown: not a frame": 136}),
    ],
)
def test_other_samples_are_counted_by_kind(name: str, kinds: dict[str, int]) -> None:
    mapping, found = Mapping(), Counter[str]()
    for line in samples.lines(f"formats/bluesky_jetstream/{name}.jsonl"):
        found[mapping.map(line).kind] += 1
    assert found == kinds


def test_frames_of_a_relay_are_no_messages_of_jetstream_and_counted_as_such() -> None:
    packed = samples.path("bluesky/jetstream_corpus_frames.bin.zst").read_bytes()
    frames, mapping, found = zstandard.ZstdDecompressor().decompressobj().decompress(packed), Mapping(), Counter[str]()
    while frames:
        size = int.from_bytes(frames[:4], "little")
        mapped = mapping.map(frames[4 : 4 + size])
        found[mapped.dropped] += mapped.is_kept
        frames = frames[4 + size :]
    assert found == {"unreadable": 150}
