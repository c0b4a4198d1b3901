"""Scores as a line of blocks, and statements as lines of text."""

from __future__ import annotations

import pytest

from streams.cli.chart import labelled, sampled, sparkline
from streams.cli.statement import lines
from streams.reader import Point


def points(*pairs: tuple[float, float]) -> list[Point]:
    """Newest first, as they are kept."""
    return [Point(at, score) for at, score in reversed(pairs)]


def test_a_moment_has_the_score_of_the_last_change_before_it() -> None:
    assert sampled(points((0, 5.0), (10, 7.0), (90, 6.0), (100, 9.0)), 11) == [5, 7, 7, 7, 7, 7, 7, 7, 7, 6, 9]


def test_the_ends_are_the_first_and_the_last_score_at_any_width() -> None:
    # 0.1 * 3 isn't 0.3: the last moment must not miss the last point by rounding.
    told = points((1.7e9 + 0.1, 3.0), (1.7e9 + 0.2, 8.0), (1.7e9 + 0.4, 2.0))
    for columns in range(2, 200):
        scores = sampled(told, columns)
        assert (scores[0], scores[-1], len(scores)) == (3.0, 2.0, columns)


def test_late_changes_stand_where_they_happened() -> None:
    assert sampled(points((0, 1.0), (100, 3.0), (50, 2.0)), 3) == [1.0, 2.0, 3.0]


@pytest.mark.parametrize("told", [points((5, 4.0)), points((5, 3.0), (5, 4.0))])
def test_changes_of_one_moment_are_one_block(told: list[Point]) -> None:
    assert labelled(sampled(told, 40)) == "4.0 ▄ 4.0"


def test_the_blocks_span_what_was() -> None:
    assert sparkline([1.0, 8.0, 4.5]) == "▁█▅"
    assert sparkline([5.0, 5.0]) == "▄▄"
    assert labelled([5.0, 9.0, 4.0, 7.0]) == "5.0 ▂█▁▅ 7.0   4.0 to 9.0"


def test_a_statement_is_told_whatever_it_holds() -> None:
    reasons = [
        {"kind": "share", "actor": "\x1b[2J", "points": 1.25, "count": 1, "counted": 0.002, "damped_by": "\x07"},
        {"kind": "others", "points": 0.0004, "count": 1},
        {"kind": "posts", "points": -0.5, "count": 2},
        {"kind": "posts", "points": -0.5},
        {"kind": "a newer kind\x07", "points": 2, "count": 7},
        "odd\x07",
    ]
    assert list(lines({"at": 0, "before": 1, "after": 2.5, "causes": reasons})) == [
        "1970-01-01 00:00:00   1.00 to 2.50   +1.50",
        "   +1.25   \\x1b[2J: share, counted at less than 1 %: \\x07",
        "  +0.0004   1 engagement by others",
        "   -0.50   2 posts of its own",
        "   -0.50   post of its own",
        "   +2.00   a newer kind\\x07",
        "           odd\\x07",
    ]
    assert list(lines({})) == [""]
