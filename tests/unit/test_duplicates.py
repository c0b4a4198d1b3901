"""The duplicate window: the same (id, undo) accepted at a smaller offset, at most a million offsets back, is a duplicate."""

from __future__ import annotations

import numpy as np
import pytest

from streams.events.duplicates import BLOCK, BLOCKS, WINDOW, DuplicateWindow, event_hashes


def accept(window: DuplicateWindow, *events: tuple[int, str], undo: bool = False) -> list[bool]:
    """Offer (offset, id) pairs as one batch; return which are duplicates."""
    lo, hi = event_hashes([name for _, name in events], np.full(len(events), undo))
    return window.accept(lo, hi, np.array([offset for offset, _ in events])).tolist()


def restarted(window: DuplicateWindow, known: dict[bytes, bytes] | None = None) -> DuplicateWindow:
    """Return what a worker recovers after the changelog got the dirty blocks; `known` keeps earlier ones."""
    blocks = known if known is not None else {}
    for block in sorted(window.dirty_blocks):
        key, value = window.encode_block(block)
        blocks[key] = value
    window.dirty_blocks.clear()
    recovered = DuplicateWindow()
    recovered.load(list(blocks.values()))
    return recovered


def test_an_id_is_accepted_once_within_and_across_batches():
    window = DuplicateWindow()
    assert accept(window, (0, "a"), (1, "b"), (2, "a")) == [False, False, True]
    assert accept(window, (3, "b"), (4, "c"), (5, "c")) == [True, False, True]


def test_an_undo_is_another_event_than_what_it_takes_back():
    window = DuplicateWindow()
    assert accept(window, (0, "a")) == [False]
    assert accept(window, (1, "a"), undo=True) == [False]
    assert accept(window, (2, "a"), undo=True) == [True]


def test_a_replayed_event_does_not_meet_itself():
    window = DuplicateWindow()
    batch = [(0, "a"), (1, "b"), (2, "a"), (3, "c")]
    first = accept(window, *batch)
    assert first == accept(window, *batch)
    assert accept(window, *batch[2:]) == [True, False]


@pytest.mark.parametrize(("back", "is_duplicate"), [(WINDOW, True), (WINDOW + 1, False)])
def test_the_window_is_a_million_offsets(back, is_duplicate):
    window = DuplicateWindow()
    accept(window, (7, "a"))
    assert [is_duplicate] == accept(window, (7 + back, "a"))


def test_a_replay_from_before_an_id_came_again_still_finds_where_it_was_first():
    window = DuplicateWindow()
    again = WINDOW + 10
    accept(window, (0, "a"))
    assert accept(window, (again, "a")) == [False]
    for recovered in (window, restarted(window)):
        assert accept(recovered, (500, "a")) == [True]  # of the first
        assert accept(recovered, (again, "a")) == [False]  # itself
        assert accept(recovered, (again + 5, "a")) == [True]  # of the second


def test_of_an_id_that_came_a_third_time_the_last_two_places_decide_a_replay_of_a_window():
    second, third = WINDOW + 1, 2 * WINDOW + 2
    window = DuplicateWindow()
    assert [accept(window, (at, "a")) for at in (0, second, third)] == [[False]] * 3
    for recovered in (window, restarted(window)):
        for _ in range(2):
            assert accept(recovered, (second + 2, "a")) == [True]  # of the second
            assert accept(recovered, (third, "a")) == [False]  # itself
            assert accept(recovered, (third + 1, "a")) == [True]  # of the third


def test_ids_are_known_after_a_restart_and_a_restart_at_any_place_decides_alike():
    ids = [(n, f"id{n * 7 % 900}") for n in range(3 * BLOCK)]
    whole = DuplicateWindow()
    expected = accept(whole, *ids)
    assert sum(not d for d in expected) == 900
    window, known = DuplicateWindow(), {}
    for start in range(0, len(ids), 700):
        assert expected[start : start + 700] == accept(window, *ids[start : start + 700])
        window = restarted(window, known)
        assert not window.dirty_blocks


def test_a_block_gives_its_place_to_the_one_a_ring_later():
    window, known = DuplicateWindow(), {}
    accept(window, (0, "old"), (5, "other"))
    window = restarted(window, known)
    ring = BLOCK * BLOCKS
    assert accept(window, (ring, "new"), (ring + 1, "old")) == [False, False]
    assert len(known) == 1
    window = restarted(window, known)
    assert len(known) == 1
    assert accept(window, (ring + 2, "new"), (ring + 3, "old")) == [True, True]
    assert ring >= 2 * WINDOW
