"""Digests of events: the same in any order, and others as soon as an actor, a kind, a time or an offset is."""

from __future__ import annotations

import numpy as np
import pytest

from streams.verify.digests import EVENTS, Digests, hash_of

SOURCE = ("events", 3)
ANN, BOB = hash_of(b"account:ann"), hash_of(b"account:bob")
SENT = [(5, ANN, 1, 100.0, 2), (6, BOB, 1, 101.0, 1), (EVENTS, ANN, 5, 102.5, 3)]  # offset, actor, flags, time, entities


def digests(events: list[tuple[int, int, int, float, int]]) -> Digests:
    made = Digests()
    for event in events:
        made.add(SOURCE, *event)
    return made


def differing(found: Digests) -> list[str]:
    return [name for name, is_same in digests(SENT).compare(found) if not is_same]


def test_engagements_in_any_order_and_of_several_partitions_are_the_events_they_were_made_of() -> None:
    every = [event[:4] for event in SENT for _ in range(event[4])]
    found = Digests()
    for part in (every[::-2], every[-2::-2]):
        offsets, actors, flags, at = zip(*part, strict=True)
        one = Digests()
        one.add_all(
            SOURCE, np.array(offsets), np.array(actors, dtype=np.uint64), np.array(flags, dtype=np.uint8), np.array(at)
        )  # fmt: skip
        found.merge(one)
    assert dict(digests(SENT).compare(found)) == {"events[3]@0..1023": True, "events[3]@1024..2047": True}


@pytest.mark.parametrize(
    "changed",
    [
        [(5, BOB, 1, 100.0, 2), (6, ANN, 1, 101.0, 1)],  # the actors of two events swapped
        [(5, ANN, 1, 101.0, 2), (6, BOB, 1, 100.0, 1)],  # their times
        [(5, ANN, 1, 100.0, 1), (6, BOB, 1, 101.0, 2)],  # one engagement too few, one too many
        [(5, ANN, 3, 100.0, 2), (6, BOB, 1, 101.0, 1)],
        [(5, ANN, 5, 100.0, 2), (6, BOB, 1, 101.0, 1)],
        [(5, ANN, 1, np.nextafter(100.0, 101), 2), (6, BOB, 1, 101.0, 1)],
        [(5, ANN, 1, 100.0, 2), (7, BOB, 1, 101.0, 1)],
        [(5, ANN, 1, 100.0, 2)],
    ],
)
def test_what_is_otherwise_than_it_was_sent_is_found_where_it_is(changed: list[tuple[int, int, int, float, int]]) -> None:
    assert differing(digests([*changed, SENT[2]])) == ["events[3]@0..1023"]


def test_engagements_of_an_input_that_has_none_are_found() -> None:
    found = digests(SENT)
    found.add(("others", 0), *SENT[0])
    assert differing(found) == ["others[0]@0..1023"]
