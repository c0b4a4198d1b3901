"""Laws of the arithmetic: decay, score, weights."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import assume, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from streams.model import decay, scoring, weighing
from streams.settings import Settings

SETTINGS = Settings()
HALF_LIVES = st.sampled_from([7200.0, 86400.0, 30 * 86400.0])
TIMES = st.floats(1.0, 4e9)
GAPS = st.floats(0.0, 3e8)
VALUES = st.floats(0.0, 1e9)
COUNTS = st.floats(0.0, 1e8)
POSTS = st.just(0.0) | st.floats(1e-200, 1e8)  # a post of 1970 is worth 1e-205 today


def column(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float64)


def test_half_is_left_after_one_half_life():
    assert decay.fade(column(0.0, 60.0, 120.0), 60.0).tolist() == [1.0, 0.5, 0.25]


@given(GAPS, GAPS, HALF_LIVES)
def test_decaying_twice_is_decaying_by_the_sum(a, b, h):
    twice = decay.fade(column(a), h) * decay.fade(column(b), h)
    assert np.isclose(decay.fade(column(a + b), h), twice, rtol=1e-9, atol=1e-300)


@given(st.lists(st.tuples(st.floats(1e9, 1e9 + 1e6), st.floats(0, 1)), min_size=1, max_size=20), HALF_LIVES, st.randoms())
def test_adding_in_any_order_gives_the_same_counter(added, h, random):
    def fold(events):
        value, at = column(0.0), column(events[0][0])
        for when, weight in events:
            to = np.maximum(at, when)
            value = decay.folded(value, at, to, column(weight), column(when), np.array([0]), h)
            at = to
        return value.item()

    shuffled = list(added)
    random.shuffle(shuffled)
    assert np.isclose(fold(added), fold(shuffled), rtol=1e-9, atol=1e-300)


@given(st.lists(st.tuples(st.floats(1e9, 1e9 + 1e6), st.floats(0, 1)), min_size=1, max_size=20), HALF_LIVES)
def test_one_batch_equals_its_events_one_by_one_at_every_prefix(added, h):
    value, at = column(0.0), column(added[0][0])
    for n, (when, weight) in enumerate(added, 1):
        to = np.maximum(at, when)
        value = decay.folded(value, at, to, column(weight), column(when), np.array([0]), h)
        at = to
        times, weights = (column(*c) for c in zip(*added[:n], strict=True))
        whole = decay.folded(column(0.0), column(1e9), at, weights, times, np.zeros(n, dtype=np.int64), h)
        assert np.isclose(value, whole, rtol=1e-9, atol=1e-300)


@given(st.floats(1e-6, 1), st.floats(1e-6, 1), st.floats(1e9, 2e9), GAPS, TIMES)
def test_the_larger_forward_weight_is_the_larger_decayed_weight(w, v, at, gap, now):
    h = 30 * 86400.0
    a, b = decay.log2_forward(column(w, v), column(at, at + gap), h)
    x, y = w * 2.0 ** ((at - now) / h), v * 2.0 ** ((at + gap - now) / h)
    assume(abs(x - y) > 1e-9 * max(x, y))
    assert (a < b) == (x < y)


def scores(reach, network=0.0, engaged=0.0, posts=0.0, fast=0.0, at=1.7e9, sketched=False):
    a = scoring.amplification(column(engaged), column(posts), column(posts), SETTINGS)
    values = (column(reach), column(network), a, column(engaged), column(fast), column(at))
    return scoring.score(*values, np.array([sketched]), SETTINGS)


@given(VALUES, VALUES, COUNTS, POSTS, COUNTS, TIMES, st.booleans())
@example(0.0, 0.0, 0.0, 0.0, 0.0, 1.0, True)
@example(1e9, 1e9, 1e8, 1e-200, 1e8, 1.0, False)
@example(5.0, 0.0, -1e-17, 1e-17, -1e-17, 1.7e9, False)
def test_a_score_is_from_1_to_100_and_nothing_is_nan(reach, network, engaged, posts, fast, at, sketched):
    found = scores(reach, network, engaged, posts, fast, at, sketched)
    assert 1 <= found.score.item() <= 100
    for name in ("amplification", "reach_pts", "network_pts", "amplification_pts", "plus_minus", "momentum"):
        assert np.isfinite(getattr(found, name)).all(), name
    assert not np.isnan(found.standing_key).any()
    assert not np.isnan(found.trending_key).any()
    assert found.plus_minus.item() >= 0
    assert abs(found.amplification.item()) <= 10


@given(VALUES, VALUES, COUNTS, POSTS)
def test_the_parts_add_up_to_the_score_less_one_below_its_cap(reach, network, engaged, posts):
    found = scores(reach, network, engaged, posts)
    parts = found.reach_pts.item() + found.network_pts.item() + found.amplification_pts.item()
    assert abs(min(100.0, 1 + parts) - found.score.item()) < 1e-9


def test_five_points_are_twice_the_influence():
    influence = [10.0, 50.0, 222.0, 890.0, 10_000.0, 100_000.0]
    assert [round(scores(i).score.item(), 1) for i in influence] == [18.3, 29.4, 40.0, 50.0, 67.4, 84.0]


@hypothesis_settings(max_examples=40)
@given(
    st.lists(st.tuples(st.floats(1e-3, 1e6), st.floats(0, 1e6), COUNTS, POSTS, st.floats(1.6e9, 1.7e9)), min_size=2, max_size=6),
    GAPS,
)
def test_the_order_on_a_board_is_the_order_of_scores_at_every_later_time(rows, later):
    found = [scores(r, g, e, p, at=at) for r, g, e, p, at in rows]
    now = 1.7e9 + later
    by_key = sorted(range(len(rows)), key=lambda i: found[i].standing_key.item())
    today = []
    for i in by_key:
        r, g, _, _, at = rows[i]
        left = 2.0 ** ((at - now) / SETTINGS.half_life_slow_s)
        influence = (r + g) * left * 2.0 ** (found[i].amplification.item() / 5)
        today.append(min(100.0, 1 + 5 * np.log2(1 + influence)))
    assert all(a <= b + 1e-6 for a, b in pairwise(today))
    for i, score in zip(by_key, today, strict=True):
        key = found[i].standing_key.item()
        assert abs(scoring.today(key, now, SETTINGS.half_life_slow_s) - score) < 1e-6


@given(VALUES, VALUES, COUNTS, POSTS, st.floats(0, 1), st.floats(0, 1))
def test_more_engagement_at_equal_time_never_lowers_a_score(reach, network, engaged, posts, weight, standing):
    before = scores(reach, network, engaged, posts).score.item()
    after = scores(reach + weight, network + weight * standing, engaged + weight, posts).score.item()
    assert after >= before - 1e-9


@given(st.floats(-1e9, 1e10), st.floats(0, 1e5), st.floats(0, 1e7), st.floats(0.1, 1))
def test_trust_is_from_its_floor_to_1(age_s, days, reach, floor):
    found = weighing.trust(column(age_s), column(days), column(reach), column(floor), SETTINGS.trust_age_s).item()
    assert floor - 1e-12 <= found <= 1 + 1e-12


@given(st.floats(0, 1e12), st.floats(0, 1e12), st.floats(-1e9, 1e10))
def test_the_other_factors_are_from_0_to_1(rate, favours, log_age_s):
    assert 0 < weighing.budget(column(rate), SETTINGS.budget_per_day).item() <= 1
    assert 0.5 <= weighing.reciprocity(column(favours)).item() <= 1
    assert SETTINGS.trust_floor <= weighing.trust_floor(SETTINGS.trust_floor, max(log_age_s, 0), SETTINGS.trust_age_s) <= 1


@given(
    st.lists(st.lists(st.floats(1.7e9, 1.7e9 + 5 * 86400), min_size=1, max_size=8), min_size=1, max_size=4),
    st.floats(0, 100),
    st.floats(1.7e9 - 10 * 86400, 1.7e9 + 86400),
)
def test_a_daily_count_is_of_the_events_so_far_at_the_newest_time(actors, rate, as_of):
    sizes = [len(times) for times in actors]
    first = np.cumsum([0, *sizes[:-1]])
    group = np.repeat(np.arange(len(actors)), sizes)
    at = column(*(t for times in actors for t in times))
    n = len(actors)
    counts, newest = weighing.daily_counts(np.full(n, rate), np.full(n, as_of), at, first, group)
    expected = []
    for times in actors:
        now = max(*times, as_of)
        for i in range(len(times)):
            seen = sum(2.0 ** ((t - now) / 86400) for t in times[: i + 1])
            expected.append(seen + rate * 2.0 ** ((as_of - now) / 86400))
    assert np.allclose(counts, expected, rtol=1e-6)
    assert newest.tolist() == [max(*times, as_of) for times in actors]
