"""Laws of grouping: what numpy's stable and sorting functions say, by quicker ways."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streams.columns.grouping import (
    distinct_hashes,
    distinct_numbers,
    order_by_owner,
    run_lengths,
    run_starts,
    slices,
    stable_order,
)

SMALL = st.lists(st.integers(0, 9), max_size=60)
# Hashes that often share their upper or their lower half: there the quick ways have to fall back.
HASHES = st.builds(lambda high, low: high << 32 | low, st.integers(0, 3), st.integers(0, 3))


@given(SMALL | st.lists(st.integers(0, 2**31 - 1), max_size=60))
def test_order_and_runs_are_numpys(numbers):
    column = np.array(numbers, dtype=np.int64)
    order = stable_order(column)
    assert order.tolist() == np.argsort(column, kind="stable").tolist()
    distinct, first, counts = np.unique(column, return_index=True, return_counts=True)
    ranked = column[order]
    starts = run_starts(ranked)
    assert ranked[starts].tolist() == distinct.tolist()
    assert run_lengths(starts, len(ranked)).tolist() == counts.tolist()
    assert {n: ranked[part].tolist() for n, part in slices(ranked).items()} == {
        int(n): [int(n)] * int(count) for n, count in zip(distinct, counts, strict=True)
    }
    assert order[starts].tolist() == first.tolist()


@given(SMALL)
def test_distinct_numbers_are_numpys(numbers):
    column = np.array(numbers, dtype=np.int64)
    distinct, place = distinct_numbers(column, 10)
    expected, expected_place = np.unique(column, return_inverse=True)
    assert (distinct.tolist(), place.tolist()) == (expected.tolist(), expected_place.tolist())


@given(st.lists(st.tuples(st.integers(0, 3), HASHES), max_size=60))
def test_equal_pairs_stand_side_by_side_by_owner_and_hash(pairs):
    owners = np.array([owner for owner, _ in pairs], dtype=np.int64)
    hashes = np.array([value for _, value in pairs], dtype=np.uint64)
    order = order_by_owner(owners, hashes)
    assert sorted(order.tolist()) == list(range(len(pairs)))
    assert [pairs[i] for i in order] == sorted(pairs)


@given(st.lists(st.tuples(HASHES, st.integers(0, 2)), max_size=60))
def test_distinct_hashes_are_told_apart_by_both_halves(pairs):
    lo, hi = (np.array([pair[i] for pair in pairs], dtype=np.uint64) for i in range(2))
    first, place = distinct_hashes(lo, hi)
    assert len(first) == len(set(pairs))
    assert [pairs[first[p]] for p in place] == pairs
    assert first.tolist() == [pairs.index(pairs[i]) for i in first]
