"""What a partition's state makes of records that a worker without it wrote late: each case was found by a simulated schedule."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
from faust.types import TP

from agents.pending import Pending
from streams.columns.hashing import hash_names
from streams.events import duplicates
from streams.events.duplicates import DuplicateWindow
from streams.kafka.bulk import Acknowledged
from streams.settings import Settings
from streams.tables import actor_codec
from streams.tables.actor_rows import ActorRows, Inputs
from streams.tables.changelog import Changelog
from streams.tables.entity_rows import EntityRows
from streams.tables.faust_table import ColumnStore
from streams.tables.score_records import NUMBERS, ScoreRecord
from streams.tables.states import ActorState, EntityState

IDS = b"\x00ids:events:0"


def accept(window: DuplicateWindow, *offsets: int) -> None:
    lo, hi = hash_names([b"id%d" % offset for offset in offsets])
    window.accept(lo, hi, np.array(offsets))


def block(*offsets: int) -> bytes:
    """Return the first block after these were accepted."""
    window = DuplicateWindow()
    accept(window, *offsets)
    return window.encode_block(0)[1]


def window_of(state: ActorState) -> DuplicateWindow:
    return state.table.inputs(0).source("events").duplicates


def marker(position: int) -> bytes:
    inputs = Inputs()
    inputs.source("events").position = position
    return actor_codec.encode_marker(inputs)


def test_a_tombstone_that_a_worker_without_the_partition_wrote_late_removes_no_row_that_is_here() -> None:
    table = EntityRows(Settings(partitions=1))
    state = EntityState(table, 0)
    here, gone = b"account:here", b"account:gone"
    table.find_or_add(*hash_names([here]), [here], np.array([0]), 0)
    state.load_foreign([here, gone], [None, None])
    rows = table.find(*hash_names([here, gone]), 0)
    assert (rows >= 0).tolist() == [True, False]
    assert table.dirty[rows[0]], "written again, so that the tombstone isn't the last of its key"


def test_reading_ids_forgets_none_that_are_still_to_be_written() -> None:
    window = DuplicateWindow()
    accept(window, 0, duplicates.BLOCK)
    window.load([block(1)])
    assert {0, 1} <= window.dirty_blocks


def test_recovery_keeps_the_ids_of_all_records_of_a_block_and_writes_a_stale_last_one_again() -> None:
    state = ActorState(ActorRows(), 0)
    state.load([IDS, IDS], [block(0, 1, 2), block(0)])
    window = window_of(state)
    assert sorted(window._offset[window._offset >= 0].tolist()) == [0, 1, 2]
    assert window.dirty_blocks == {0}


def test_recovery_writes_no_block_again_whose_last_record_is_whole() -> None:
    state = ActorState(ActorRows(), 0)
    state.load([IDS, IDS, b"\x00ids:events:1"], [block(0), block(0, 1, 2), b""])
    assert window_of(state).dirty_blocks == set()


def test_a_stale_marker_does_not_set_intake_back_and_a_newer_one_counts_in_a_repair_too() -> None:
    state = ActorState(ActorRows(), 0)
    state.load([actor_codec.MARKER_KEY] * 2, [marker(70), marker(16)])
    assert state.table.inputs(0).source("events").position == 70
    state.load_foreign([actor_codec.MARKER_KEY], [marker(80)])
    assert state.table.inputs(0).source("events").position == 80


def test_a_block_that_somebody_else_wrote_is_written_again() -> None:
    state = ActorState(ActorRows(), 0)
    accept(window_of(state), 0, 1)
    window_of(state).dirty_blocks.clear()
    state.load_foreign([IDS], [block(0)])
    assert window_of(state).dirty_blocks == {0}


def test_what_waits_for_redis_is_the_newest_version_not_the_last_told() -> None:
    def record(ver: int) -> ScoreRecord:
        return ScoreRecord('"account:a"', ",".join(str(ver) if name == "ver" else "1.0" for name in NUMBERS))

    pending = Pending()
    pending.add(b"account:a", 10, record(6))
    pending.add(b"account:a", 11, record(5))
    assert pending.take() == [(b"account:a", 11, record(6))]


def store() -> ColumnStore[Any]:
    """Return the store of the actors table, which has partition 0."""
    table = SimpleNamespace(changelog_topic=SimpleNamespace(get_topic_name=lambda: "log"))
    rows = ActorRows()
    made: ColumnStore[Any] = ColumnStore("x://", None, table, new_state=lambda p: ActorState(rows, p), table_name="actors")  # type: ignore[arg-type]
    return made


async def test_a_partition_that_was_handed_over_while_a_batch_was_under_way_is_not_read_again() -> None:
    states, tp = store(), TP("log", 0)
    await states.on_rebalance({tp}, set(), {tp})

    class Slow:
        async def send(self, *_: Any) -> list[Acknowledged]:
            await states.on_rebalance(set(), {tp}, set())
            return [Acknowledged(100, 1)]

    def read_gap(*_: Any) -> Any:
        raise AssertionError("read for nobody")

    state = states.partition(0)
    assert not await Changelog(states, "log", 0, Slow(), read_gap).write([b"account:a"], [b""], state)
    assert states.partitions == {}
    assert states.persisted_offset(tp) == -1


async def test_rows_of_a_partition_are_dropped_although_its_changelog_was_empty() -> None:
    states, tp = store(), TP("log", 0)
    await states.on_rebalance({tp}, set(), {tp})
    table = states.partition(0).table
    table.find_or_add(*hash_names([b"account:a"]), [b"account:a"], np.array([0]), 0)
    await states.on_rebalance(set(), {tp}, set())
    assert len(table) == 0
