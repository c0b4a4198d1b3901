"""Whose the signature of a partition is, as one writer sees it."""

from __future__ import annotations

import pytest

from streams.redis.signing import NOTHING, Found, Signatures
from streams.settings import Settings


def found(signatures: Signatures, at_s: float) -> Found:
    return repr(at_s).encode(), signatures.text(at_s).encode()


def test_nobody_and_somebody_with_the_same_rules_wrote_alike() -> None:
    theirs = found(Signatures(Settings()), 1.5)
    assert Signatures(Settings()).look(0, NOTHING)
    assert Signatures(Settings()).look(0, theirs)


@pytest.mark.parametrize("other", [Settings(topic_enter_reach=4.0), Settings(topic_leave_reach=1.0)])
def test_other_settings_and_a_release_without_signatures_wrote_otherwise(other: Settings) -> None:
    mine = Signatures(Settings())
    assert not mine.look(0, found(Signatures(other), 1.5))
    assert not mine.look(0, (b"1.5", None))
    _, signed = found(Signatures(Settings()), 1.5)
    assert not mine.look(0, (b"1.75", signed))  # an older release notes a later time, and leaves what it doesn't know


def test_what_somebody_else_wrote_in_between_is_noticed_once() -> None:
    mine, theirs = Signatures(Settings()), Signatures(Settings())
    mine.look(0, NOTHING)
    assert mine.signed(0, NOTHING)
    assert mine.signed(0, found(mine, 1.5))
    assert not mine.signed(0, found(theirs, 1.75))
    assert mine.signed(0, found(mine, 2.0))


def test_who_was_found_may_be_found_until_this_writer_signs() -> None:
    mine, before = Signatures(Settings()), found(Signatures(Settings()), 1.5)
    mine.look(0, before)
    assert mine.signed(0, before)
    assert not mine.signed(0, before)


def test_a_redis_that_was_wiped_is_nobodys() -> None:
    mine = Signatures(Settings())
    mine.look(0, NOTHING)
    assert mine.signed(0, NOTHING)
    assert mine.signed(0, NOTHING)


def test_a_redis_that_was_wiped_and_filled_by_a_release_without_signatures_is_noticed() -> None:
    mine = Signatures(Settings())
    mine.look(0, NOTHING)
    assert mine.signed(0, NOTHING)
    assert not mine.signed(0, (b"1.5", None))


def test_a_request_that_failed_may_have_been_carried_out() -> None:
    mine = Signatures(Settings())
    mine.look(0, NOTHING)
    assert mine.signed(0, found(mine, 1.5))


def test_what_was_handed_over_is_looked_at_again() -> None:
    mine = Signatures(Settings())
    mine.look(0, NOTHING)
    mine.look(1, NOTHING)
    mine.keep({1})
    assert (mine.is_known(0), mine.is_known(1)) == (False, True)
