"""Surges as a flush tells of them, and rows of releases with and without them."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pytest

from streams.columns.hashing import hash_names
from streams.columns.texts import Texts
from streams.events.engagements import LIKE, REPLY, SHARE, TWEET, Engagements
from streams.settings import Settings
from streams.tables import entity_codec
from streams.tables.entity_rows import EntityRows
from streams.tables.flush import take_flush
from streams.tables.fold import fold
from streams.tables.marker import MARKER_KEY
from streams.tables.past import PAST
from streams.tables.states import EntityState

START_S = 1.7e9
HOUR_S = 3600.0


class Story:
    """One account's engagements, flushed after each step."""

    def __init__(self) -> None:
        self.state = EntityState(EntityRows(Settings()), 0)
        self.offset = 0
        self.people = 0

    @property
    def table(self) -> EntityRows:
        return self.state.table

    def engage(self, at_s: float, count: int, kind: int = SHARE, trust: float = 1.0, people: int = 0) -> None:
        """Have `count` engagements folded, by so many new people (each one by default)."""
        names = [b"account:ben", *(b"account:p%d" % (self.people + i) for i in range(people or count))]
        self.people += people or count
        lo, hi = hash_names(names)
        one = np.ones(count, dtype=np.float32)
        actor = (np.zeros(count) if kind == TWEET else 1 + np.arange(count) % (people or count)).astype(np.uint32)
        record = Engagements(
            "events", 0, self.offset, np.full(count, START_S + at_s), np.arange(count, dtype=np.uint32),
            np.zeros(count, np.uint32), actor, one * np.float32(0.63), one * np.float32(trust), one, one, one, one * 0,
            np.full(count, kind, dtype=np.uint8), lo, hi, Texts.of(names),
        )  # fmt: skip
        fold(self.table, [record], [self.offset])
        self.offset += count

    def flush(self) -> dict[str, Any] | None:
        """Flush; return the change event of the account, if any."""
        flush = take_flush(self.table)
        self.written = flush
        change: dict[str, Any] | None = orjson.loads(flush.scores[0].encode()).get("change")
        return change

    def lives(self, days: int) -> None:
        """Have it post and be engaged with, as ever, for some days."""
        for hour in range(0, days * 24, 6):
            self.engage(hour * HOUR_S, 1, TWEET)
            self.engage(hour * HOUR_S + 60, 2)
            change = self.flush()
            assert change is None or change["surge"] == []

    def recovered(self) -> Story:
        """Return it as a worker finds it that takes over what was flushed last."""
        other = Story()
        other.offset, other.people = self.offset, self.people
        other.state.load([*self.written.keys, MARKER_KEY], [*self.written.rows, self.table.log().encode()])
        return other


@pytest.fixture
def story() -> Story:
    story = Story()
    story.lives(10)
    return story


def test_a_burst_is_told_with_what_is_behind_it(story: Story) -> None:
    at_s = 10 * 24 * HOUR_S
    story.engage(at_s, 20, SHARE)
    story.flush()
    story.engage(at_s + 60, 30, LIKE)
    story.engage(at_s + 61, 10, REPLY, trust=0.1)
    change = story.flush()
    assert change is not None
    (surge,) = change["surge"]
    assert surge["z"] > 5
    assert surge["counted"] > 10 * surge["expected"] > 0
    assert (surge["people"], surge["likes"], surge["shares"], surge["replies"], surge["low_trust"]) == (32, 30, 20, 10, 10)
    assert change["moved"] > 2


def test_an_account_that_nobody_knew_has_no_usual_pace() -> None:
    story = Story()
    story.engage(0.0, 100)
    change = story.flush()
    assert change is not None
    assert (change["surge"], change["moved"] > 20) == ([], True)


@pytest.mark.parametrize(("trust", "people"), [(0.1, 0), (1.0, 4)])
def test_neither_fakes_nor_a_handful_of_people_make_a_surge(story: Story, trust: float, people: int) -> None:
    story.engage(10 * 24 * HOUR_S, 400, trust=trust, people=people)
    change = story.flush()
    assert story.table.surging.any()
    assert change is None or change["surge"] == []


def test_a_surge_ends_when_it_is_over_and_the_next_is_another(story: Story) -> None:
    told = []
    for day in (10, 11):
        story.engage(day * 24 * HOUR_S, 80 if day == 10 else 400)
        change = story.flush()
        assert change is not None
        told += change["surge"]
        story.engage((day + 0.8) * 24 * HOUR_S, 1)
        story.flush()
        assert not story.table.surging.any()
    assert [s["z"] > 5 for s in told] == [True, True]
    assert told[0]["began"] < told[1]["began"]


def test_a_change_is_told_when_a_surge_has_its_people_however_little_the_score_moved_since_the_last(story: Story) -> None:
    at_s = 10 * 24 * HOUR_S
    story.engage(at_s, 600, trust=0.2)  # moves the score, by people who aren't trusted
    assert story.flush() is not None
    for n in range(6):
        story.engage(at_s + n, 1, LIKE, trust=0.25)
        change = story.flush()
        if n < 4:
            assert change is None
        elif n == 4:
            assert change is not None
            assert change["surge"][0]["people"] == 5
            assert abs(change["after"] - change["before"]) < 0.5 < 2 < change["moved"]
        else:
            assert change is None  # it was told


def test_a_surge_survives_who_held_it(story: Story) -> None:
    story.engage(10 * 24 * HOUR_S, 80)
    told = story.flush()
    assert told is not None
    heir = story.recovered()
    heir.table.dirty[:] = heir.table.used
    again = heir.flush()  # what it told may not have come out: it is said again
    assert again is not None
    assert (again["surge"][0]["began"], again["moved"]) == (told["surge"][0]["began"], told["moved"])
    heir.engage(10 * 24 * HOUR_S + 60, 5, REPLY)
    heir.flush()
    (row,) = heir.table.surges
    assert (heir.table.surges[row].told, heir.table.surges[row].shares, heir.table.surges[row].replies) == (True, 80, 5)
    assert heir.table.surges[row].began == told["surge"][0]["began"]


@pytest.mark.parametrize("cuts", [(19,), (2, 19), (0, 1, 2, 9, 19)])
def test_a_surge_that_is_seen_again_after_a_crash_may_have_begun_before_it_was_alerted(
    story: Story, cuts: tuple[int, ...]
) -> None:
    heir = story.recovered()
    for n in range(10):
        story.engage(10 * 24 * HOUR_S + n, 8)
    change = story.flush()
    assert change is not None
    (row,) = story.table.surges
    alerted, heard = int(story.table.rows["off"][row]), 0
    for n in range(20):  # the row wasn't durable; what came meanwhile is folded with it, in other steps
        heir.engage(10 * 24 * HOUR_S + n, 8)
        if n in cuts:
            again = heir.flush()
            for surge in again["surge"] if again else []:
                heard += 1
                assert surge["began"] <= alerted
    assert heard


def test_a_row_of_a_release_without_a_past_is_read_and_not_alarmed_at(story: Story) -> None:
    story.engage(10 * 24 * HOUR_S, 2)
    story.flush()
    (value,) = story.written.rows
    (decoded,) = [entity_codec.decode_rows([value])]
    older = value[: -PAST.itemsize]
    story.written.rows[0] = older
    heir = story.recovered()
    (row,) = heir.table.live()
    assert heir.table.rows[row] == story.table.rows[row]
    assert heir.table.past["since"][row] == 0 < decoded.past["since"][0]
    heir.engage(10 * 24 * HOUR_S + 60, 2)
    change = heir.flush()
    assert change is None or change["surge"] == []
    assert abs(float(heir.table.past["was"][row]) - float(heir.table.past["then"][row])) < 0.01


def test_a_row_is_read_by_a_release_without_a_past(story: Story) -> None:
    """Such a one reads version 1 up to the end of the causes, and no further."""
    story.engage(10 * 24 * HOUR_S, 80)
    story.flush()
    (value,) = story.written.rows
    version, form, people, causes = value[:4]
    assert (version, form, people) == (1, 1, 0)
    body = 4 + entity_codec.ROW.itemsize + entity_codec.SKETCH.itemsize
    assert np.frombuffer(value[4 : 4 + entity_codec.ROW.itemsize], entity_codec.ROW)[0] == story.table.rows[0]
    assert causes == 0
    assert entity_codec.PAST.itemsize < len(value) - body


def test_rows_given_back_leave_no_past(story: Story) -> None:
    story.engage(10 * 24 * HOUR_S, 80)
    story.flush()
    story.table.drop(0)
    assert not story.table.surges
    assert not story.table.surging.any()
    assert not story.table.past["step"].any()
