"""What a campaign's totals say, and how many people an estimate counts."""

from __future__ import annotations

import numpy as np
import orjson
import pytest

from streams.control.campaigns import Campaign, Goal
from streams.model import distinct
from streams.reader import Totals
from streams.reader.campaigns import PEOPLE_ERROR, definition_of, pace_of, progress_of, shares_of_voice

NOW_S = 1_700_000_000.0


def totals() -> Totals:
    counts = {"posts": 1, "likes": 40, "shares": 6, "replies": 4, "people": 30, "reach": 12.5}
    pace = {"posts": 0.0, "likes": 4.0, "shares": 1.0, "replies": 0.0}
    return Totals(**counts, per_minute=pace)  # type: ignore[arg-type]  # the counts are whole


def test_a_goal_is_reached_at_the_present_pace() -> None:
    found = progress_of(Goal("likes", 100.0), totals(), NOW_S)
    assert (found.value, found.ratio, found.at) == (40.0, 0.4, NOW_S + 15 * 60)
    assert progress_of(Goal("engagements", 60.0), totals(), NOW_S).at == NOW_S + 2 * 60
    assert progress_of(Goal("likes", 40.0), totals(), NOW_S).at == NOW_S


def test_no_time_is_told_for_what_stands_still_or_grows_unevenly() -> None:
    assert progress_of(Goal("replies", 5.0), totals(), NOW_S).at is None
    assert progress_of(Goal("people", 60.0), totals(), NOW_S).at is None
    assert progress_of(Goal("reach", 50.0), totals(), NOW_S).ratio == 0.25


@pytest.mark.parametrize(
    ("minutes", "starts_s", "expected"),
    [
        ([], NOW_S - 600, 2.0),  # all of it came in the last five minutes
        ([], NOW_S - 120, 5.0),  # a young campaign
        ([], NOW_S - 1, 10.0),  # not more than a minute's worth
        ([[NOW_S // 60 - 1, 0, 9, 0, 0], [NOW_S // 60 - 6, 0, 5, 0, 0], [NOW_S // 60 - 7, 0, 1, 0, 0]], NOW_S - 9000, 1.0),
        ([[NOW_S // 60 - 90, 0, 10, 0, 0]], NOW_S - 9000, 0.0),
        ([[NOW_S // 60 - 90, 0, 11, 0, 0]], NOW_S - 9000, 0.0),  # something was taken back
    ],
)
def test_pace_is_what_came_in_the_last_minutes(minutes: list[list[int]], starts_s: float, expected: float) -> None:
    assert pace_of(minutes, [0, 10, 0, 0], NOW_S, starts_s) == [0.0, pytest.approx(expected), 0.0, 0.0]


def test_a_campaign_shares_the_voice_with_those_that_ran_while_it_did() -> None:
    since_ms = int(NOW_S * 1000) - 10_000
    mine = Campaign("mine", ("x",), since_ms=since_ms, ended_ms=since_ms + 5000)
    before = Campaign("before", ("x",), since_ms=since_ms - 5000, ended_ms=since_ms)
    during = Campaign("during", ("x",), since_ms=since_ms - 5000, ended_ms=since_ms + 1)
    after = Campaign("after", ("x",), since_ms=since_ms + 5000)
    to_come = Campaign("to come", ("x",), from_s=NOW_S + 5, since_ms=since_ms)
    campaigns = [before, during, mine, after, to_come]
    assert shares_of_voice(campaigns, [8, 3, 1, 2, 0], NOW_S) == [8 / 11, 3 / 12, 1 / 4, 1.0, None]


def test_a_definition_is_read_as_workers_publish_it() -> None:
    told = Campaign("la@nch", ("x",), ("ann",), Goal("likes", 5.0), NOW_S, NOW_S + 1, since_ms=7, ended_ms=8)
    assert definition_of("la@nch", orjson.dumps(told.as_dict())) == told
    assert definition_of("quiet", b'{"tags":["x"],"of a later release":1}') == Campaign("quiet", ("x",))


@pytest.mark.parametrize("people", [0, 1, 2, 10, 100, 1000, 10_000, 30_000, 300_000])
def test_people_are_counted_within_three_standard_errors_however_often_they_come(people: int) -> None:
    hashes = np.random.default_rng(people).integers(0, 1 << 64, people, dtype=np.uint64)
    registers = distinct.empty()
    assert distinct.add(registers, hashes) == (people > 0)
    before = registers.copy()
    assert not distinct.add(registers, hashes[::-1])
    assert (registers == before).all()
    assert distinct.estimate(registers) == pytest.approx(people, rel=3 * distinct.STANDARD_ERROR, abs=0.3)
    assert pytest.approx(distinct.STANDARD_ERROR, rel=0.02) == PEOPLE_ERROR


def test_sets_of_people_join_to_that_of_all() -> None:
    hashes = np.random.default_rng(1).integers(0, 1 << 64, 5000, dtype=np.uint64)
    parts = [distinct.empty(), distinct.empty()]
    together = distinct.empty()
    distinct.add(parts[0], hashes[:3000])
    distinct.add(parts[1], hashes[2000:])
    distinct.add(together, hashes)
    assert (np.maximum(*parts) == together).all()


def test_the_rarest_of_hashes_have_the_highest_rank() -> None:
    registers = distinct.empty()
    distinct.add(registers, np.array([0, 1 << 63 | 1, 1 << 12 | 2], dtype=np.uint64))
    assert registers[:3].tolist() == [53, 1, 52]
