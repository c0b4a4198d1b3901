"""The sketch's bias and error, at small cost: seeds are fixed, bounds are four standard errors of what is measured."""

from __future__ import annotations

import numpy as np
import pytest

from streams.model import sketch

H = 30 * 86400.0


def people(n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2**63, n, dtype=np.uint64) * np.uint64(2)


def empty(rows: int) -> tuple[np.ndarray, np.ndarray]:
    return np.full((rows, 256), sketch.EMPTY, dtype=np.int32), np.full((rows, 256), sketch.EMPTY, dtype=np.int32)


def estimates(levels: np.ndarray, at: float = 0.0) -> np.ndarray:
    packed, base = sketch.pack(levels)
    return sketch.estimate(packed, base, np.full(len(levels), at), H)


def filled(n: int, repetitions: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    levels = empty(repetitions)
    who = people(n * repetitions, seed)
    none = np.full(len(who), -np.inf)
    sketch.update(levels, np.repeat(np.arange(repetitions), n), who, (np.zeros(len(who)), none))
    return levels


@pytest.mark.parametrize(("n", "repetitions"), [(33, 2000), (100, 1500), (1000, 400), (10_000, 100)])
def test_the_estimate_has_no_bias_and_an_error_of_at_most_seven_percent(n, repetitions):
    found = estimates(filled(n, repetitions)[0]) / n
    assert abs(found.mean() - 1) < 4 * 0.063 / repetitions**0.5
    assert found.std() < 0.07 * (1 + 3 / (2 * repetitions) ** 0.5)


def test_an_empty_sketch_counts_nobody():
    assert estimates(empty(3)[0]).tolist() == [0.0, 0.0, 0.0]


def test_people_without_standing_are_in_reach_and_not_in_network():
    reach, network = filled(50, 1)
    assert estimates(reach).item() > 30
    assert estimates(network).item() == 0


def test_everybody_again_changes_nothing():
    levels = filled(500, 1)
    before = levels[0].copy()
    sketch.update(levels, np.zeros(500, dtype=np.int64), people(500, 1), (np.zeros(500), np.full(500, -np.inf)))
    assert np.array_equal(before, levels[0])


def test_order_and_batches_do_not_matter():
    who = people(800, 3)
    weights = np.random.default_rng(4).uniform(-8, 0, 800)
    whole, pieces = empty(1), empty(1)
    zeros = np.zeros(800, dtype=np.int64)
    sketch.update(whole, zeros, who, (weights, weights - 1))
    order = np.random.default_rng(5).permutation(800)
    for part in np.array_split(order, 37):
        sketch.update(pieces, zeros[part], who[part], (weights[part], weights[part] - 1))
        # Stored and read back between batches, as a table does.
        for level in pieces:
            level[:] = sketch.unpack(*sketch.pack(level))
    assert all(np.array_equal(sketch.unpack(*sketch.pack(a)), b) for a, b in zip(whole, pieces, strict=True))


def test_two_sketches_merge_by_the_minimum():
    levels = empty(3)
    who = people(600, 6)
    row = np.repeat([0, 1], 300)
    sketch.update(levels, row, who, (np.zeros(600), np.zeros(600)))
    sketch.update(levels, np.full(600, 2), who, (np.zeros(600), np.zeros(600)))
    assert np.array_equal(np.minimum(levels[0][0], levels[0][1]), levels[0][2])


def test_half_is_left_after_one_half_life():
    levels = filled(200, 5)[0]
    assert np.allclose(estimates(levels, H), estimates(levels) / 2)


def test_weights_count_as_much_as_they_weigh():
    levels = empty(400)
    who = people(400 * 100, 8)
    half = np.full(len(who), -1.0)
    sketch.update(levels, np.repeat(np.arange(400), 100), who, (half, np.full(len(who), -np.inf)))
    assert abs(estimates(levels[0]).mean() - 50) < 50 * 4 * 0.063 / 400**0.5


def test_a_newcomer_never_lowers_the_estimate():
    levels = empty(1)
    before = 0.0
    for who in people(300, 9):
        sketch.update(levels, np.zeros(1, dtype=np.int64), np.array([who]), (np.zeros(1), np.zeros(1)))
        now = estimates(levels[0]).item()
        assert now >= before
        before = now


def test_every_person_fills_each_register_once():
    ranks = np.arange(256)
    found = sketch._registers(people(50, 10), ranks)
    assert (np.sort(found, axis=0) == ranks[:, None]).all()
