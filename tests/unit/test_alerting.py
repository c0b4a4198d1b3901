"""What is taken for a surge: laws of the arithmetic, and what of it is kept with a row."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.model import alerting, decay
from streams.settings import Settings

SETTINGS = Settings()
DAY_S = 86_400.0


def steady(rate_per_s: float, age_s: float) -> tuple[np.ndarray, np.ndarray]:
    """Return E and X of a steady pace that began `age_s` ago."""
    at = np.arange(0.0, age_s, 60.0)
    left = [60.0 * rate_per_s * decay.fade(age_s - at, h).sum() for h in (SETTINGS.half_life_slow_s, SETTINGS.half_life_fast_s)]
    return np.array(left[:1]), np.array(left[1:])


@given(st.floats(4 * 3600.0, 60 * DAY_S), st.floats(1e-5, 10.0))
def test_a_steady_pace_is_expected_however_young_the_log(age_s: float, rate_per_s: float) -> None:
    engaged, fast = steady(rate_per_s, age_s)
    assert alerting.expected(engaged, fast, np.array([age_s]), SETTINGS) == pytest.approx(fast, rel=0.02)


@given(st.integers(0, 2**32), st.floats(0.02, 2.0))
def test_z_of_steady_independent_contacts_is_close_to_a_standard_normal(seed: int, rate_per_minute: float) -> None:
    rng = np.random.default_rng(seed)
    minutes = np.arange(24 * 60) * 60.0
    counts = rng.poisson(rate_per_minute, (2000, len(minutes)))
    x = np.full(2000, rate_per_minute * SETTINGS.half_life_fast_s / 60 / np.log(2))
    z = alerting.surprise(counts @ decay.fade(minutes, SETTINGS.half_life_fast_s), x, np.ones(2000))
    assert abs(z.mean()) < 0.5
    assert 0.8 < z.std() < 1.25
    assert z.max() < alerting.FIRE_Z + 1


def test_what_comes_in_bunches_is_judged_by_bunches() -> None:
    x, counted = np.array([4.0]), np.array([64.0])
    few = alerting.bunching(np.array([100.0]), np.zeros(1), np.array([100.0]), SETTINGS)
    many = alerting.bunching(np.array([2000.0]), np.zeros(1), np.array([100.0]), SETTINGS)
    assert alerting.surprise(counted, x, few)[0] > alerting.FIRE_Z > alerting.surprise(counted, x, many)[0]
    settings = Settings(overdispersion=50.0)
    assert alerting.bunching(np.zeros(1), np.zeros(1), np.zeros(1), settings)[0] == 50.0


def test_a_burst_is_not_taken_for_what_is_usual() -> None:
    burst, usual, posts = np.array([500.0]), np.array([3.0]), np.array([2.0])
    assert alerting.bunching(usual + burst, burst, posts, SETTINGS) == pytest.approx(
        alerting.bunching(usual, np.zeros(1), posts, SETTINGS)
    )
    age = np.array([20 * DAY_S])
    assert alerting.expected(usual + burst, burst, age, SETTINGS) == pytest.approx(
        alerting.expected(usual, np.zeros(1), age, SETTINGS)
    )


@given(st.floats(0.1, 100.0), st.floats(3600.0, 60 * DAY_S))
def test_the_hour_of_the_day_is_what_everybody_else_does(busier: float, log_age_s: float) -> None:
    quick, day = (alerting.span_s(np.array([log_age_s]), h) for h in (SETTINGS.half_life_fast_s, SETTINGS.half_life_day_s))
    ratio = alerting.rhythm(busier * quick, day, np.array([log_age_s]), SETTINGS)[0]
    assert ratio == pytest.approx(min(4.0, max(0.25, busier)), rel=0.05)
    assert alerting.rhythm(np.zeros(1), np.zeros(1), np.array([log_age_s]), SETTINGS)[0] == 1.0
