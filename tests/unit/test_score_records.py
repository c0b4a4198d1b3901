"""Score records: the same in pieces and as a value, whatever an entity is called."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pytest

from streams.redis import published
from streams.tables.score_records import NUMBERS, Change, ScoreRecord, decode, merged, records_of

NAMES = [b"account:ann", b'account:"q"\\,}{', "account:مرحبا🙂".encode(), b'topic:","change":{"before":1']
CHANGE = Change("1.0", "3.5", '[{"kind":"like","actor":"a]}\\"","points":0.1}]', "2.5")
SURGE = '{"began":7,"z":6.5,"counted":20.0,"expected":2.0,"people":9,"likes":4,"shares":3,"replies":5,"low_trust":3}'


def records(change: Change | None = None, ver: int = 0) -> list[ScoreRecord]:
    columns = {name: np.arange(len(NAMES)) + i / 7 for i, name in enumerate(NUMBERS)}
    columns["ver"] = np.arange(len(NAMES)) + ver
    columns["standing"] = np.full(len(NAMES), -np.inf)
    return [r._replace(change=change) for r in records_of(NAMES, columns)]


@pytest.mark.parametrize("change", [None, CHANGE, CHANGE._replace(surge=SURGE)])
def test_a_record_comes_back_from_its_value_in_the_same_pieces(change: Change | None) -> None:
    for name, record in zip(NAMES, records(change), strict=True):
        value = record.encode()
        assert decode(value) == record
        held = orjson.loads(value)
        assert list(held) == ["entity", *NUMBERS, *(["change"] if change else [])]
        assert (held["entity"], held["standing"], held["ver"]) == (name.decode(), None, NAMES.index(name))


@pytest.mark.parametrize("value", [b"", b"{}", b'{"entity":"account:a"}', b"no json"])
def test_another_record_is_refused_with_what_it_holds(value: bytes) -> None:
    with pytest.raises(ValueError, match="not a score record of this version"):
        decode(value)


def test_of_two_records_the_newer_is_kept_and_a_change_told_from_where_it_began() -> None:
    (older, *_), (newer, *_) = records(CHANGE), records(ver=9)
    assert merged(older, newer) == newer._replace(change=CHANGE._replace(span=(0, 0)))
    later = newer._replace(change=Change("3.5", "9.0", "[]"))
    found = merged(older, later).change
    assert found is not None
    assert (found.before, found.after) == ("1.0", "9.0")
    assert merged(newer, later) == later
    assert merged(newer, newer) == newer


def test_a_change_that_comes_late_or_again_is_told_once_and_in_its_place() -> None:
    first, second, third = (
        records(Change(f"{i}.0", f"{i + 1}.0", f'[{{"kind":"like","actor":"a{i}","points":1.0,"count":1}}]'), i)[0]
        for i in range(1, 4)
    )
    whole = merged(merged(first, second), third)
    assert whole.change is not None
    assert (whole.change.before, whole.change.after, whole.span) == ("1.0", "4.0", (1, 3))
    for again in (first, second, merged(first, second)):  # a worker that lost the partition told it behind the others
        assert merged(again, whole) == whole
    late = merged(second, merged(first, records(ver=9)[0]))
    assert late.change is not None
    assert (late.version, late.change.before, late.change.after, late.span) == (9, "1.0", "3.0", (1, 2))
    assert merged(first, merged(second, third)).change == whole.change


def test_what_is_told_has_the_version_of_the_change_not_that_of_the_score_it_rides_on() -> None:
    (older, *_), (newer, *_) = records(CHANGE, ver=4), records(ver=9)
    item = published.entry(merged(older, newer), 41, 1.5)
    assert (item[1], item[11], orjson.loads(item[8])["ver"], orjson.loads(item[10])["ver"]) == (9, "4", 4, 4)


def test_of_one_version_the_record_that_knows_why_is_kept() -> None:
    (older, *_) = records(CHANGE)
    again = older._replace(change=CHANGE._replace(causes='[{"kind":"unknown","points":2.5}]'))
    assert merged(older, again) == older._replace(change=CHANGE._replace(span=(0, 0)))


def test_two_changes_told_as_one_add_up_to_what_moved_in_both() -> None:
    likes = [{"kind": "like", "actor": f"a{i}", "points": 0.1 * i, "count": 1} for i in range(1, 7)]
    first = [*likes[1:], {"kind": "decay", "points": -0.1234}]
    bob = {"kind": "like", "actor": "a6", "points": 0.2, "count": 3, "counted": 0.2, "damped_by": "trust"}
    second = [bob, likes[0], {"kind": "others", "points": 0.5, "count": 7}, {"kind": "decay", "points": -0.0001}]
    (older, *_), (newer, *_) = records(), records(ver=9)
    older = older._replace(change=Change("1.0", "2.8766", orjson.dumps(first).decode()))
    newer = newer._replace(change=Change("2.8766", "3.6765", orjson.dumps(second).decode()))
    found = merged(older, newer).change
    assert found is not None
    reasons = orjson.loads(found.causes)
    assert [r.get("actor", r["kind"]) for r in reasons] == ["a6", "a5", "a4", "a3", "a2", "others", "decay"]
    # Three counted at 20 %, one in full; who was sixth is one of the others now.
    assert reasons[0] == {"kind": "like", "actor": "a6", "points": 0.8, "count": 4, "counted": 0.4, "damped_by": "trust"}
    assert [(r["points"], r.get("count")) for r in reasons[-2:]] == [(0.6, 8), (-0.1235, None)]
    assert round(sum(r["points"] for r in reasons), 9) == round(3.6765 - 1.0, 9)
    # A change between the two that was lost is told as nobody knows why.
    lost = merged(older, newer._replace(change=newer.change._replace(before="2.5", after="3.2999"))).change  # type: ignore[union-attr]  # it has one
    assert lost is not None
    assert orjson.loads(lost.causes)[-1] == {"kind": "unknown", "points": -0.3766}


def test_a_reason_without_a_count_and_one_with_are_told_as_one() -> None:
    causes = ['[{"kind":"posts","points":0.1943}]', '[{"kind":"posts","points":-0.3769,"count":1}]']
    first, second = (r[0] for r in (records(), records(ver=9)))
    for one, other in (causes, causes[::-1]):
        older, newer = first._replace(change=Change("1.0", "1.5", one)), second._replace(change=Change("1.5", "0.8174", other))
        found = merged(older, newer).change
        assert found is not None
        assert orjson.loads(found.causes) == [{"kind": "posts", "points": -0.1826, "count": 1}]


def test_what_redis_is_told_is_the_text_of_the_record() -> None:
    for name, record in zip(NAMES, records(CHANGE), strict=True):
        item = published.entry(record, 41, 1.5)
        assert (item[0], item[1], item[4]) == (name.decode(), NAMES.index(name), "")
        assert dict(zip(published.HASH_FIELDS, item[6], strict=True)) == dict(
            zip(NUMBERS[:15], record.numbers.split(",")[:15], strict=True)
        )
        assert item[7] == "42-0"
        event = orjson.loads(item[8])
        assert (event["entity"], event["before"], event["after"], event["published_at"]) == (name.decode(), 1.0, 3.5, 1.5)


@pytest.mark.parametrize(
    ("causes", "expected"),
    [
        ("[]", [{"kind": "unknown", "points": 2.5}]),
        (CHANGE.causes, [{"kind": "like", "actor": 'a]}"', "points": 0.1}, {"kind": "unknown", "points": 2.4}]),
    ],
)
def test_a_change_of_an_earlier_release_is_read_and_what_it_did_not_tell_is_unknown(causes: str, expected: Any) -> None:
    (record, *_) = records(CHANGE._replace(causes=causes))
    value = record.encode()
    older = value.replace(b',"moved":2.5,"surge":[]', b"")
    assert older != value
    found = decode(older).change
    assert found is not None
    assert found._replace(causes="") == CHANGE._replace(moved="0.0", causes="")
    assert orjson.loads(found.causes) == expected


def test_a_surge_is_told_of_as_long_as_no_newer_one_is() -> None:
    (older, *_), (newer, *_) = records(CHANGE._replace(surge=SURGE)), records(Change("3.5", "9.0", "[]", "8.0"), 9)
    found = merged(older, newer).change
    assert found is not None
    assert found._replace(causes="[]") == Change("1.0", "9.0", "[]", "8.0", SURGE, (0, 9))
    later = newer._replace(change=Change("3.5", "9.0", "[]", "8.0", SURGE.replace("9,", "12,")))
    assert merged(older, later).change == later.change._replace(before="1.0", causes=found.causes, span=(0, 9))  # type: ignore[union-attr]  # it has one
