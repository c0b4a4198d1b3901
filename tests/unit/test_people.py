"""Sets of people: what the changelog brings back, and what a worker that lost its partition can't take away."""

from __future__ import annotations

import json

import pytest

from streams.control.campaigns import Campaign
from streams.events.engagements import Engagements, decode, encode
from streams.intake.campaigns import Watchlist
from streams.intake.take import take
from streams.kafka.range import Range
from streams.settings import Settings
from streams.tables.actor_rows import ActorRows
from streams.tables.entity_rows import EntityRows
from streams.tables.people import PEOPLE_KEY, People
from streams.tables.states import EntityState

SETTINGS = Settings(partitions=1)
NOW_S = 1_700_000_000.0
KEY = PEOPLE_KEY + b"campaign:launch"


def engagements(*events: tuple[str, str, str]) -> Engagements:
    """Return the record of events (kind, actor, author) in a campaign of the author ann; a kind may begin with un-."""
    values = [
        json.dumps(
            {"id": f"{kind}{actor}", "kind": kind.removeprefix("un-"), "actor": actor, "author": author, "at": NOW_S,
             "undo": kind.startswith("un-")}
        ).encode()
        for kind, actor, author in events
    ]  # fmt: skip
    content = Range("events", 0, [*range(len(values))], [int(NOW_S * 1000)] * len(values), [None] * len(values), [*values], 0)
    watchlist = Watchlist([Campaign("launch", accounts=("ann",), since_ms=1, from_s=1.0)])
    ((_, record),) = take([content], ActorRows(), EntityRows(SETTINGS), SETTINGS, watchlist).engagements
    return decode(encode(record))


def people_of(*records: Engagements) -> People:
    people = People()
    for record in records:
        people.take(record)
    return people


def test_everyone_who_engages_counts_once_and_posts_and_undos_count_nobody() -> None:
    record = engagements(
        ("tweet", "ann", "ann"), ("like", "bob", "ann"), ("reply", "bob", "ann"), ("share", "cat", "ann"), ("like", "dan", "ben"),
        ("un-like", "eve", "ann"),
    )  # fmt: skip
    people = people_of(record, record)
    assert people.counts() == {"campaign:launch": 2}
    assert people.dirty == {b"campaign:launch"}


def test_what_has_no_campaign_leaves_nothing() -> None:
    assert people_of(engagements(("like", "bob", "ben"))).counts() == {}


def test_records_join_and_a_stale_last_one_is_written_again() -> None:
    early, late = (
        people_of(engagements(("like", "bob", "ann"))),
        people_of(engagements(("like", "bob", "ann"), ("like", "cat", "ann"))),
    )
    ((_,), (old,)), ((_,), (new,)) = early.taken(), late.taken()
    assert not late.dirty
    found = People()
    found.load([(KEY, old), (KEY, new)])
    assert (found.counts(), found.dirty) == ({"campaign:launch": 2}, set())
    found.load([(KEY, old)])  # somebody woke up
    assert (found.counts(), found.dirty) == ({"campaign:launch": 2}, {b"campaign:launch"})


def test_a_partition_brings_its_people_back_among_its_rows_and_drops_them() -> None:
    keys, values = people_of(engagements(("like", "bob", "ann"))).taken()
    state = EntityState(EntityRows(SETTINGS), 0)
    state.load(keys, values)
    assert (state.people.counts(), state.people.dirty) == ({"campaign:launch": 1}, set())
    state.load_foreign(keys, values)
    assert state.people.dirty == {b"campaign:launch"}
    state.drop()
    assert state.people.counts() == {}


@pytest.mark.parametrize("value", [b"", b"\x02" + bytes(4096), b"\x01" + bytes(4095)])
def test_people_of_another_version_are_an_error(value: bytes) -> None:
    with pytest.raises(ValueError, match="a newer release wrote this changelog"):
        People().load([(KEY, value)])
