"""Score records: the same in pieces and as a value, whatever an entity is called."""

from __future__ import annotations

import numpy as np
import orjson
import pytest

from streams.redis import published
from streams.tables.score_records import NUMBERS, Change, ScoreRecord, decode, merged, records_of

NAMES = [b"account:ann", b'account:"q"\\,}{', "account:مرحبا🙂".encode(), b'topic:","change":{"before":1']
CHANGE = Change("1.0", "3.5", '[{"kind":"like","actor":"a]}\\"","points":0.1}]', "2.5")
SURGE = '{"began":7,"z":6.5,"counted":20.0,"expected":2.0,"people":9,"likes":4,"shares":3,"replies":5,"low_trust":3}'


def records(change: Change | None = None) -> list[ScoreRecord]:
    columns = {name: np.arange(len(NAMES)) + i / 7 for i, name in enumerate(NUMBERS)}
    columns["ver"] = np.arange(len(NAMES))
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
    (older, *_), (newer, *_) = records(CHANGE), records()
    assert merged(older, newer) == newer._replace(change=CHANGE)
    later = newer._replace(change=Change("3.5", "9.0", "[]"))
    assert merged(older, later) == newer._replace(change=Change("1.0", "9.0", "[]"))
    assert merged(newer, later) == later
    assert merged(newer, newer) == newer


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


def test_a_change_of_a_release_that_knew_no_surges_is_read() -> None:
    (record, *_) = records(CHANGE)
    value = record.encode()
    older = value.replace(b',"moved":2.5,"surge":[]', b"")
    assert older != value
    assert decode(older) == record._replace(change=CHANGE._replace(moved="0.0"))


def test_a_surge_is_told_of_as_long_as_no_newer_one_is() -> None:
    (older, *_), (newer, *_) = records(CHANGE._replace(surge=SURGE)), records(Change("3.5", "9.0", "[]", "8.0"))
    found = merged(older, newer).change
    assert found == Change("1.0", "9.0", "[]", "8.0", SURGE)
    later = newer._replace(change=Change("3.5", "9.0", "[]", "8.0", SURGE.replace("9,", "12,")))
    assert merged(older, later).change == later.change._replace(before="1.0")  # type: ignore[union-attr]  # it has one
