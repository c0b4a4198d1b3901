"""The decoder is total: any bytes give events and refusals, each record counted once, and none costs its neighbours anything."""

from __future__ import annotations

import json
import math
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from streams.events.decode import MAX_EPOCH_S, decode_events
from streams.events.engagements import KINDS


def good(number: int, **changes: Any) -> bytes:
    event = {"id": f"good{number}", "kind": "like", "actor": f"a{number}", "author": f"b{number}", "at": 1_700_000_000.5 + number}
    return json.dumps(event | changes, separators=(",", ":")).encode()


A, B, C = good(101), good(102), good(103)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("x" * 300),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
FIELDS = ("id", "kind", "actor", "author", "at", "post", "tags", "actor_since", "network", "undo", "unknown")
# Nearly events: any field may be of any type, and a string may hold anything, control characters and lone surrogates too.
ALMOST = st.builds(
    lambda number, changes: good(number, **changes),
    st.integers(0, 99),
    st.dictionaries(
        st.sampled_from(FIELDS), VALUES | st.sampled_from(["tweet", "reply", "2026-01-31T12:00:00Z", ["a", "b"]]), max_size=3
    ),
)
PIECES = st.sampled_from(
    [b"", b" ", b"\n", b"\r", b"\t", b"{", b"}", b'"', b",", b"[", b"]", b"null", b"\xff", b"\x00", A, B, A[:30], A[30:]]
)
RECORD = st.none() | st.binary(max_size=40) | ALMOST | st.lists(PIECES, max_size=4).map(b"".join) | st.just(b"x" * 65_537)
RECORDS = st.lists(RECORD, max_size=12)


def outcome(records: list[bytes | None]) -> tuple[dict[int, tuple[Any, ...]], dict[int, str]]:
    """Return what became of each record: its event's fields, or why it was refused."""
    events, refused = decode_events(records)
    columns = (events.id, events.kind, events.actor, events.author, events.at, events.tags, events.undo)
    since = [None if math.isnan(s) else s for s in events.since.tolist()]
    taken = list(zip(events.index.tolist(), zip(*columns, since, strict=True), strict=True))
    assert len(dict(taken)) == len(taken)
    assert len({r.index for r in refused}) == len(refused)
    assert sorted([i for i, _ in taken] + [r.index for r in refused]) == list(range(len(records)))
    assert [i for i, _ in taken] == sorted(i for i, _ in taken)
    return dict(taken), {r.index: r.reason for r in refused}


@given(RECORDS)
@example([A + B, b" ", C])  # three events in three records, of which one holds two and one none
@example([A + b"\n" + B, b"", C])
@example([A[:30], A[30:], B + C])  # an event that begins in one record and ends in the next
@example([A + b"\r" + B, b"\t", C])
@example([b" " + A + b" ", B])
@example([b"[" * 5000, A])
@example([b'{"id":' * 5000, A])
@example([A, None, B])
@example([b"\xef\xbb\xbf" + A, B])
def test_every_record_is_an_event_or_refused_and_never_both(records: list[bytes | None]) -> None:
    taken, refused = outcome(records)
    for fields in taken.values():
        identity, kind, actor, author, at, _, _, since = fields
        assert all(1 <= len(text) <= 256 for text in (identity, actor, author))
        assert kind < len(KINDS)
        assert 0 < at <= MAX_EPOCH_S
        assert since is None or 0 < since <= MAX_EPOCH_S
    assert all(refused.values())


@given(RECORDS)
@example([A + B, b" ", C])
@example([A[:30], A[30:], B + C])
@example([A[:30], A[30:] + B])
@example([A, A, b" " + B])
@example([A, b"1"])
@example([A, good(1, at=10**400)])
def test_a_batch_gives_what_its_records_give_one_by_one(records: list[bytes | None]) -> None:
    taken, refused = outcome(records)
    for place, record in enumerate(records):
        alone, refused_alone = outcome([record])
        assert (taken.get(place), refused.get(place)) == (alone.get(0), refused_alone.get(0))


@given(RECORDS, RECORDS, RECORDS)
def test_good_neighbours_of_anything_are_taken_as_they_are(
    before: list[bytes | None], between: list[bytes | None], after: list[bytes | None]
) -> None:
    taken, _ = outcome([*before, A, *between, B, *after])
    first, second = len(before), len(before) + 1 + len(between)
    assert (taken[first][0], taken[first][2], taken[first][3]) == ("good101", "a101", "b101")
    assert (taken[second][0], taken[second][2], taken[second][3]) == ("good102", "a102", "b102")


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=50))
def test_good_records_are_all_taken(numbers: list[int]) -> None:
    taken, refused = outcome([good(n) for n in numbers])
    assert refused == {}
    assert [f"good{n}" for n in numbers] == [taken[i][0] for i in range(len(numbers))]
