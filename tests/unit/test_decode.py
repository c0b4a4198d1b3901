"""What is an event and what is refused, by example; tests/laws/test_decode_total.py has the laws."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from streams.events.decode import MAX_EPOCH_S, MAX_RECORD_BYTES, decode_events
from streams.events.engagements import LIKE, REPLY, SHARE, TWEET

AT_S = 1_769_860_800  # 2026-01-31T12:00:00Z


def encoded(**changes: Any) -> bytes:
    return json.dumps({"id": "e1", "kind": "like", "actor": "ann", "author": "ben", "at": AT_S} | changes).encode()


def reason(record: bytes | None) -> str:
    """Return why a record is refused, whether it comes alone or among good ones."""
    alone = decode_events([record])[1]
    events, among = decode_events([encoded(id="before"), record, encoded(id="after")])
    assert events.id == ["before", "after"]
    assert events.index.tolist() == [0, 2]
    assert [(1, alone[0].reason)] == [(r.index, r.reason) for r in among]
    return alone[0].reason


def test_an_event_becomes_a_row_of_columns():
    events, refused = decode_events(
        [
            encoded(tags=["ai", "ml"], actor_since=AT_S - 5, post="p", network="bluesky", whatever={"a": [1]}),
            encoded(id="e2", kind="share", undo=True),
            encoded(id="e3", kind="reply"),
            encoded(id="e4", kind="tweet", author="ann"),
        ]
    )
    assert refused == []
    assert events.index.tolist() == [0, 1, 2, 3]
    assert events.id == ["e1", "e2", "e3", "e4"]
    assert events.kind.tolist() == [LIKE, SHARE, REPLY, TWEET]
    assert events.actor == ["ann"] * 4
    assert events.author == ["ben", "ben", "ben", "ann"]
    assert events.at.tolist() == [AT_S] * 4
    assert events.tags == [["ai", "ml"], None, None, None]
    assert events.since[0] == AT_S - 5
    assert all(map(math.isnan, events.since[1:]))
    assert events.undo.tolist() == [False, True, False, False]


def test_no_records_are_no_events():
    events, refused = decode_events([])
    assert (events.id, refused) == ([], [])


@pytest.mark.parametrize(
    ("given", "expected_s"),
    [
        (AT_S + 0.25, AT_S + 0.25),
        ("2026-01-31T12:00:00Z", AT_S),
        ("2026-01-31T12:00:00.250Z", AT_S + 0.25),
        ("2026-01-31T17:30:00+05:30", AT_S),
        ("2026-01-31T07:00:00-05:00", AT_S),
        (0.001, 0.001),
        (MAX_EPOCH_S, MAX_EPOCH_S),
        ("9999-12-31T23:59:59Z", MAX_EPOCH_S),
    ],
)
def test_times_are_epoch_seconds_or_rfc_3339(given, expected_s):
    events, _ = decode_events([encoded(at=given, actor_since=given)])
    assert [expected_s] == events.at.tolist()
    assert [expected_s] == events.since.tolist()


@pytest.mark.parametrize(
    ("record", "says"),
    [
        (None, "null"),
        (b"", "empty"),
        (b" \t", "empty"),
        (b"\xff\xfe", "not UTF-8 at byte 0"),
        (encoded().replace(b"ben", b"b\xc3("), "not UTF-8 at byte"),
        (b"[]", "object"),
        (encoded() + b"\n" + encoded(), "trailing"),
        (encoded(kind="poke"), "kind"),
        (encoded(id=""), "id"),
        (encoded(actor="a" * 257), "actor"),
        (encoded(author="a\nb"), "author is 'a\\nb': it has a control character"),
        (encoded(tags=["t" * 257]), "tags"),
        (encoded(tags=["a\u2028b"]), "a tag is"),
        (encoded(at=0), "outside 1970 to 9999"),
        (encoded(at=MAX_EPOCH_S + 1), "outside 1970 to 9999"),
        (encoded(at=AT_S * 1000), "not milliseconds"),
        (encoded(at="2026-01-31T12:00:00"), "no time zone"),
        (encoded(at="yesterday"), "at is 'yesterday'"),
        (encoded(actor_since=-1), "actor_since"),
        (encoded(kind="tweet"), "author is 'ben' for a tweet by 'ann'; expected the same account"),
        (encoded(x="y" * MAX_RECORD_BYTES), f"expected at most {MAX_RECORD_BYTES}"),
        (b'{"x":' + b"[" * 64 + b"]" * 64 + b"}", "nested more than 64 deep"),
    ],
)
def test_what_is_wrong_is_said_and_neighbours_are_taken(record, says):
    assert says in reason(record)


def test_limits_are_inclusive():
    longest = encoded(id="i" * 256, actor="é" * 256, author="b" * 256, post="p" * 512, tags=["t" * 256])
    full = encoded(x="")
    full = encoded(x="y" * (MAX_RECORD_BYTES - len(full)))
    deepest = encoded(x=0).replace(b'"x": 0', b'"x": ' + b"[" * 63 + b"]" * 63)
    many = encoded(x=[[1]] * 100)  # many brackets, but not deep
    strings = encoded(x="[" * 100)
    events, refused = decode_events([longest, full, deepest, many, strings])
    assert refused == []
    assert len(full) == MAX_RECORD_BYTES
    assert len(events.id) == 5


def test_ids_keep_every_character_that_is_no_control_character():
    odd = [
        "did:plc:abc",
        "user@host",
        "{a}",
        "100%",
        "a  b ",
        "🦀",
        "👩\u200d🚀",
        "\u202eevil",
        "مرحبا",
        "\u00a0",
        "\ufeff",
        "\u00ad",
    ]
    events, refused = decode_events([encoded(id=name, actor=name, author="x") for name in odd])
    assert refused == []
    assert odd == events.id
    assert odd == events.actor


@pytest.mark.parametrize("parts", [(b'{"id":"e1"', b""), (encoded()[:20], encoded()[20:])])
def test_records_that_only_make_sense_together_are_all_refused(parts):
    first, second = parts
    whole = encoded(id="e9")
    for records in ([first, second, whole + whole], [whole + whole, first, second], [whole + b"\n" + whole, b" ", first]):
        events, refused = decode_events(records)
        assert events.id == []
        assert [r.index for r in refused] == [0, 1, 2]
