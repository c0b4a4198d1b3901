"""How refused records are kept: whole where they fit into their topic, else their beginning; and what a recount makes of it."""

from __future__ import annotations

import pytest

from streams.events.decode import Refused
from streams.events.letters import KEPT_BYTES, letter_of
from streams.kafka.range import Range
from streams.verify.check import _is_of

LONG = b"x" * (KEPT_BYTES + 1)


@pytest.mark.parametrize(
    ("value", "kept", "told"),
    [(None, b"", None), (b"{", b"{", None), (LONG[:-1], LONG[:-1], None), (LONG, LONG[:-1], b"1000001")],
    ids=["null", "short", "as long as may be", "too long"],
)
def test_a_letter_has_at_most_so_many_bytes_and_tells_of_how_many(value: bytes | None, kept: bytes, told: bytes | None) -> None:
    key, found, headers = letter_of(Range("events", 3, [6, 7], [50, 60], [None] * 2, [b"", value]), Refused(1, "why", "json"))
    assert (key, found) == (b"events[3]@7", kept)
    expected = {"reason": b"why", "topic": b"events", "partition": b"3", "offset": b"7", "at_ms": b"60"}
    assert dict(headers) == expected | ({} if told is None else {"bytes": told})


def test_a_reason_that_quotes_a_whole_record_is_cut_between_characters() -> None:
    _, _, headers = letter_of(Range("events", 0, [0], [0], [None], [b"{"]), Refused(0, "é" * 60_000, "field"))
    assert dict(headers)["reason"].decode() == "é" * 1000


@pytest.mark.parametrize(
    ("kept", "length", "is_of"),
    [
        (LONG[:-1], len(LONG), True),
        (LONG[:-1], len(LONG) - 1, False),  # doesn't tell that it was cut
        (LONG[:-1], len(LONG) + 1, False),
        (LONG[:-2], len(LONG), False),  # less than could be kept
        (b"y" + LONG[:-2], len(LONG), False),
    ],
)
def test_a_letter_is_of_a_record_that_begins_so_and_is_as_long_as_told(kept: bytes, length: int, is_of: bool) -> None:
    assert _is_of(kept, length, LONG) is is_of
