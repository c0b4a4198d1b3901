"""Laws of what a reader computes: weights, bounds, chances, and that it says the model's score."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from streams.model import scoring
from streams.reader import Weights
from streams.reader.scale import error_from, error_of, outranks, parts, score_of
from streams.settings import Settings
from tests.scored import score

reaches = st.floats(0.0, 1e7)
amplifications = st.floats(-10.0, 10.0)
weightings = st.builds(Weights, reach=st.floats(0.01, 10.0), network=st.floats(0.0, 10.0), amplification=st.floats(0.0, 5.0))


@given(reaches, reaches, amplifications, weightings, st.floats(0.05, 5.0))
def test_nobody_has_more_by_other_weights_than_the_bound(
    reach: float, network: float, a: float, weights: Weights, network_weight: float
) -> None:
    standing = Weights(network=network_weight).influence(reach, network, a)
    assert weights.influence(reach, network, a) <= weights.most(standing, network_weight) * (1 + 1e-9)


@given(reaches, reaches, amplifications, st.floats(0.0, 5.0))
def test_by_the_deployments_weights_a_score_is_the_models(reach: float, network: float, a: float, b: float) -> None:
    ours = parts(reach, network, a, Weights(network=b))
    one = np.ones(1)
    model = scoring.score(reach * one, network * one, a * one, one, one, one, np.zeros(1, bool), Settings(network_weight=b))
    assert ours.score == pytest.approx(model.score[0])
    assert ours.reach_pts == pytest.approx(model.reach_pts[0])
    assert ours.network_pts == pytest.approx(model.network_pts[0], abs=1e-9)
    assert ours.amplification_pts == pytest.approx(model.amplification_pts[0], abs=1e-9)


@given(reaches, reaches, amplifications, weightings)
def test_the_parts_add_up_by_any_weights(reach: float, network: float, a: float, weights: Weights) -> None:
    found = parts(reach, network, a, weights)
    together = found.reach_pts + found.network_pts + found.amplification_pts
    assert min(100.0, 1 + together) == pytest.approx(found.score)
    assert found.score == pytest.approx(score_of(weights.influence(reach, network, a)))


@given(st.floats(0.01, 1e6), st.floats(0.01, 1e6), st.floats(1.0, 20.0))
def test_an_error_carried_over_and_back_is_the_same(influence: float, other: float, f: float) -> None:
    there = error_from(error_of(influence, f), influence, other)
    assert error_from(there, other, influence) == pytest.approx(error_of(influence, f))
    assert there >= 0


@given(st.floats(1, 100), st.floats(0, 20), st.floats(1, 100), st.floats(0, 20))
def test_chances_add_up_to_one_and_favour_the_leader(a: float, a_error: float, b: float, b_error: float) -> None:
    first, second = score(a, a_error), score(b, b_error)
    assert outranks(first, second) + outranks(second, first) == pytest.approx(1.0)
    assert 0.0 <= outranks(first, second) <= 1.0
    assume(a > b)
    assert outranks(first, second) >= 0.5
