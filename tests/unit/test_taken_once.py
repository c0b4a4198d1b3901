"""A row says how far it is taken: what a crash has taken again changes it no more, and an older row never takes its place."""

from __future__ import annotations

import json
from collections.abc import Iterable

import numpy as np
import pytest

from streams.columns.hashing import hash_names
from streams.intake.take import Taken, take
from streams.kafka.range import Range
from streams.settings import Settings
from streams.tables import actor_codec
from streams.tables.actor_rows import MOST_TARGETS, ROW, TARGET, ActorRows
from streams.tables.entity_rows import EntityRows
from streams.tables.states import ActorState

SETTINGS = Settings(partitions=1, input_topics="tweets,likes")
NOW_S = 1_700_000_000
ANN, BOB = b"account:ann", b"account:bob"


class Log:
    """The records of an input topic's only partition."""

    def __init__(self, topic: str, *actors: str) -> None:
        self.topic = topic
        self.values = [
            json.dumps({"id": f"{topic}{n}", "kind": "like", "actor": actor, "author": f"author{n}", "at": NOW_S + n}).encode()
            for n, actor in enumerate(actors)
        ]

    def range(self, first: int, end: int) -> Range:
        numbers = [*range(first, end)]
        stamps = [(NOW_S + n) * 1000 for n in numbers]
        return Range(self.topic, 0, numbers, stamps, [None] * len(numbers), [self.values[n] for n in numbers], first)


def taken(table: ActorRows, *ranges: Range) -> Taken:
    return take(ranges, table, EntityRows(SETTINGS), SETTINGS)


def row_of(table: ActorRows, name: bytes) -> bytes:
    (value,) = actor_codec.encode_rows(table, table.find(*hash_names([name]), 0))
    return value


def recovered(*records: tuple[bytes, bytes], inputs: Iterable[str] = ()) -> ActorState:
    state = ActorState(ActorRows(inputs), 0)
    state.load([key for key, _ in records], [value for _, value in records])
    return state


def is_dirty(state: ActorState, name: bytes) -> bool:
    return bool(state.table.dirty[state.table.find(*hash_names([name]), 0)][0])


def test_events_taken_again_after_a_crash_make_their_engagements_again_but_change_no_row_that_holds_them() -> None:
    log = Log("tweets", "ann", "bob", "ann", "cid", "ann")
    table = ActorRows()
    first = taken(table, log.range(0, 4))
    written = [(ANN, row_of(table, ANN)), (BOB, row_of(table, BOB))]  # then a crash: Cid's row isn't, and no marker
    again = recovered(*written).table
    second = taken(again, log.range(0, 5))
    assert len(second.engagements[0][1]) == len(first.engagements[0][1]) + 1
    assert (row_of(again, BOB), is_dirty(ActorState(again, 0), BOB)) == (written[1][1], False)
    taken(table, log.range(4, 5))
    assert row_of(again, ANN) == row_of(table, ANN), "what came after counts, once"
    state = slice(2, 2 + ROW.itemsize)
    assert row_of(again, b"account:cid")[state] == row_of(table, b"account:cid")[state]


def test_of_two_input_topics_each_says_how_far_a_row_is_taken() -> None:
    tweets, likes = Log("tweets", "ann", "ann"), Log("likes", "ann", "ann")
    table = ActorRows()
    taken(table, tweets.range(0, 1), likes.range(0, 2))
    again = recovered((ANN, row_of(table, ANN))).table
    taken(table, tweets.range(1, 2))
    taken(again, likes.range(0, 2), tweets.range(0, 2))
    assert row_of(again, ANN) == row_of(table, ANN)


@pytest.mark.parametrize("at_once", [True, False])
def test_a_row_that_a_worker_without_the_partition_wrote_late_does_not_take_the_place_of_a_newer_one(at_once: bool) -> None:
    tweets, likes = Log("tweets", "ann", "ann"), Log("likes", "ann")
    table = ActorRows()
    rows = []
    for content in (tweets.range(0, 1), tweets.range(1, 2), likes.range(0, 1)):
        taken(table, content)
        rows.append(row_of(table, ANN))
    for older in rows[:2]:
        state = recovered(*((ANN, value) for value in (rows[2], older)[: 1 + at_once]))
        if not at_once:
            state.table.dirty[:] = False
            state.load([ANN], [older])
        assert row_of(state.table, ANN) == rows[2]
        assert is_dirty(state, ANN), "to be the last in the changelog"
    for newer in rows[1:]:
        assert row_of(recovered((ANN, rows[0]), (ANN, newer)).table, ANN) == newer


@pytest.mark.parametrize("at_once", [True, False])
def test_a_row_of_many_targets_says_of_each_topic_how_far_it_is_taken(at_once: bool) -> None:
    tweets, likes = Log("tweets", *["ann"] * 40), Log("likes", *["ann"] * 2)
    table = ActorRows()
    rows = []
    for content in (tweets.range(0, 30), likes.range(0, 1), tweets.range(30, 35), likes.range(1, 2), tweets.range(35, 36)):
        taken(table, content)
        rows.append(row_of(table, ANN))
    assert [len(actor_codec._taken_of(row)) for row in rows] == [1, 2, 2, 2, 2]
    for first in range(len(rows)):
        state = recovered(*((ANN, row) for row in (rows[first:] if at_once else rows[first : first + 1])))
        for row in [] if at_once else rows[first + 1 :]:
            state.load([ANN], [row])
        assert (row_of(state.table, ANN), is_dirty(state, ANN)) == (rows[-1], False)
        taken(state.table, tweets.range(30, 36), likes.range(0, 2))
        assert row_of(state.table, ANN) == rows[-1]


def test_a_row_without_room_for_every_topic_is_not_older_for_what_it_does_not_say() -> None:
    topics = [f"topic{n}" for n in range(MOST_TARGETS)]
    logs = [Log(topic, *["ann"] * 20) for topic in topics]
    table = ActorRows()
    rows = []
    for log in logs:
        taken(table, log.range(0, 20))
        rows.append(row_of(table, ANN))
    assert len(actor_codec._taken_of(rows[-1])) == MOST_TARGETS - table.remembered < len(topics)
    state = recovered(*((ANN, row) for row in rows))
    assert (row_of(state.table, ANN), is_dirty(state, ANN)) == (rows[-1], False)
    for row in rows:
        state = recovered((ANN, row))
        state.load([ANN], [rows[-1]])
        assert (row_of(state.table, ANN), is_dirty(state, ANN)) == (rows[-1], False)


def test_an_input_that_is_one_no_more_comes_after_those_that_are() -> None:
    for former, topic in (("tweets", "likes"), ("likes", "tweets")):
        table = ActorRows()
        taken(table, Log(former, "ann").range(0, 1))
        again = recovered((ANN, row_of(table, ANN))).table
        taken(again, Log(topic, *["ann"] * 20).range(0, 20))
        from_last = [*actor_codec._taken_of(row_of(again, ANN)).values()]
        assert from_last == [1, 20]


def test_an_input_of_which_nothing_is_taken_yet_keeps_its_place_before_one_that_is_none_any_more() -> None:
    for former, quiet in (("tweets", "likes"), ("likes", "tweets")):
        table = ActorRows()
        taken(table, Log(quiet, "ann").range(0, 1), Log(former, *["ann"] * 20).range(0, 20))
        state = recovered((ANN, row_of(table, ANN)), inputs=[quiet])
        from_last = [*actor_codec._taken_of(row_of(state.table, ANN)).values()]
        assert from_last == [20, 1]


def test_of_a_row_that_two_workers_wrote_the_one_taken_further_stays() -> None:
    log = Log("tweets", "ann", "ann", "ann")
    table = ActorRows()
    rows = []
    for n in range(3):
        taken(table, log.range(n, n + 1))
        rows.append(row_of(table, ANN))
    for mine, foreign, kept in ((0, 2, 2), (2, 0, 2), (1, 1, 1)):
        state = recovered((ANN, rows[mine]))
        state.load_foreign([ANN], [rows[foreign]])
        assert row_of(state.table, ANN) == rows[kept]
        assert is_dirty(state, ANN)


def test_a_row_of_an_earlier_release_which_says_nothing_is_read_by_its_place_in_the_changelog() -> None:
    log = Log("tweets", "ann", "ann")
    table = ActorRows()
    taken(table, log.range(0, 2))
    row = row_of(table, ANN)
    plain = bytes([row[0], row[1] - 1]) + row[2 : -TARGET.itemsize]
    assert row_of(recovered((ANN, row), (ANN, plain)).table, ANN) == plain
    assert row_of(recovered((ANN, plain), (ANN, row)).table, ANN) == row
    state = recovered((ANN, row))
    state.load_foreign([ANN], [plain])
    assert row_of(state.table, ANN) == row, "ours is kept"


def test_an_earlier_release_has_room_for_all_entries_of_a_row() -> None:
    log = Log("tweets", *["ann"] * 40)
    table = ActorRows()
    taken(table, log.range(0, 40))
    value = row_of(table, ANN)
    assert value[1] == table.remembered + 1 == MOST_TARGETS
    assert len(value) == 2 + ROW.itemsize + MOST_TARGETS * TARGET.itemsize
    _, targets = actor_codec.decode_row(value)
    assert len(targets) == table.remembered
    assert np.frombuffer(value[-TARGET.itemsize :], TARGET)["times"] == 0, "which it leaves out when it writes"
