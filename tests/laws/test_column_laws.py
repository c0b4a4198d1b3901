"""Laws of the columnar state: each structure does what a dict does."""

from __future__ import annotations

import numpy as np
from engagement_logs import SETTINGS, Engagement, assert_same_rows, folded, logs, record_of, rows_by_name, split
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from kafka.partitioner.default import murmur2 as kafka_murmur2

from streams.columns.hashing import hash_names
from streams.columns.index import HashIndex
from streams.columns.placement import murmur2, partitions_of
from streams.columns.pool import Pool
from streams.events.duplicates import WINDOW, DuplicateWindow, event_hashes
from streams.events.engagements import decode, encode
from streams.events.split import split as split_record
from streams.tables.entity_codec import decode_rows, encode_rows
from streams.tables.entity_load import load_rows
from streams.tables.entity_rows import ROW, EntityRows
from streams.tables.fold import fold
from streams.tables.half_lives import HalfLives
from streams.tables.keyed import KeyedRows
from streams.tables.marker import Marker

KEYS = st.binary(max_size=40) | st.text(max_size=12).map(str.encode)


@given(st.lists(KEYS, max_size=30), st.integers(1, 1024))
def test_placement_is_kafkas(keys, partitions):
    assert murmur2(keys).tolist() == [kafka_murmur2(key) & 0xFFFFFFFF for key in keys]
    assert partitions_of(keys, partitions).tolist() == [(kafka_murmur2(key) & 0x7FFFFFFF) % partitions for key in keys]


@given(st.lists(st.tuples(st.sampled_from(["add", "remove", "find"]), st.lists(st.integers(1, 400), max_size=60)), max_size=25))
def test_an_index_is_a_dict_also_when_rows_are_reused(steps):
    # Low words that agree in their low bits, so that probe chains are long.
    def words(keys):
        k = np.array(keys, dtype=np.uint64)
        return (k % np.uint64(7)) | (k // np.uint64(50) << np.uint64(40)), k

    lo, hi = np.zeros(500, dtype=np.uint64), np.zeros(500, dtype=np.uint64)
    index, model, free = HashIndex(), {}, list(range(499, -1, -1))
    for action, keys in steps:
        distinct = list(dict.fromkeys(keys))
        if action == "add":
            new = [k for k in distinct if k not in model]
            rows = np.array([free.pop() for _ in new], dtype=np.int64)
            lo[rows], hi[rows] = words(new)
            model.update(zip(new, rows.tolist(), strict=True))
            index.insert(rows, lo, lambda: np.array(sorted(model.values()), dtype=np.int64))
        elif action == "remove":
            gone = [model.pop(k) for k in distinct if k in model]
            lo[gone] = hi[gone] = 0
            free.extend(gone)
        assert index.find(*words(keys), lo, hi).tolist() == [model.get(k, -1) for k in keys]


@given(st.lists(st.tuples(st.integers(0, 2**57), st.integers(0, 5)), min_size=1, max_size=35, unique=True))
def test_every_row_of_a_full_table_is_found(keys):
    # An empty slot is -1, which is also the last row's place: not to be mixed up. Few chains, so that it is inside one.
    lo = np.array([key << 6 | chain for key, chain in keys], dtype=np.uint64)
    index = HashIndex()
    for row in range(len(keys)):
        index.insert(np.array([row]), lo, lambda: np.arange(row + 1))  # noqa: B023  # called at once
    assert index.find(lo, lo, lo, lo).tolist() == list(range(len(keys)))


@given(st.lists(st.tuples(st.booleans(), st.lists(st.integers(0, 40), min_size=1, max_size=12, unique=True)), max_size=30))
def test_keyed_rows_keep_each_name_with_its_row(steps):
    table = KeyedRows(np.dtype([("number", "<i8")]))
    model: dict[bytes, int] = {}
    for adds, numbers in steps:
        names = [b"name" * (n % 30) + b"%d" % n for n in numbers]
        lo, hi = hash_names(names)
        if adds:
            rows, new = table.find_or_add(lo, hi, names, np.arange(len(names)))
            assert sorted(table.names.get(new)) == sorted(n for n in names if n not in model)
            table.rows["number"][rows] = numbers
            model.update(zip(names, numbers, strict=True))
        else:
            found = table.find(lo, hi)
            table.remove(found[found >= 0])
            for name in names:
                model.pop(name, None)
        live = table.live()
        assert dict(zip(table.names.get(live), table.rows["number"][live].tolist(), strict=True)) == model
        assert len(table) == len(model)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["replace", "clear"]), st.dictionaries(st.integers(0, 20), st.integers(0, 32), min_size=1, max_size=6)
        ),
        max_size=40,
    )
)
def test_a_pool_is_a_dict_of_lists(steps):
    pool = Pool(np.dtype([("x", "<i8")]), 32)
    pool.reserve_rows(21)
    model: dict[int, list[int]] = {}
    stamp = 0
    for action, sizes in steps:
        rows = np.array(list(sizes), dtype=np.int64)
        if action == "clear":
            pool.clear(rows)
            model.update({r: [] for r in sizes})
        else:
            lists = {r: list(range(stamp := stamp + 100, stamp + n)) for r, n in sizes.items()}
            entries = np.array([x for values in lists.values() for x in values], dtype=np.int64).view(pool.entries.dtype)
            pool.replace(rows, entries, np.array(list(sizes.values())))
            model.update(lists)
        entries, owner = pool.gather(np.arange(21))
        assert [entries["x"][owner == r].tolist() for r in range(21)] == [model.get(r, []) for r in range(21)]


EVENTS = st.lists(st.tuples(st.integers(0, 12), st.booleans()), min_size=1, max_size=10)
GAPS = st.sampled_from([1, 1, 5, WINDOW // 2, WINDOW - 5, WINDOW])


@given(st.lists(st.tuples(GAPS, EVENTS), max_size=12))
def test_duplicates_are_those_of_a_dict(batches):
    window, accepted, offset = DuplicateWindow(), {}, 0
    for gap, events in batches:
        offset += gap
        offsets = np.arange(offset, offset + len(events))
        expected = []
        for identity, at in zip(events, offsets.tolist(), strict=True):
            before = accepted.get(identity)
            expected.append(before is not None and at - before <= WINDOW)
            if not expected[-1]:
                accepted[identity] = at
        lo, hi = event_hashes([f"id{name}" for name, _ in events], np.array([undo for _, undo in events]))
        assert window.accept(lo, hi, offsets).tolist() == expected
        assert window.accept(lo, hi, offsets).tolist() == expected  # replayed after a crash: nothing meets itself
        offset += len(events)


@given(logs())
def test_an_engagements_record_comes_back_as_it_was(log):
    record = record_of(log)
    again = decode(encode(record))
    for name in record.__dataclass_fields__:
        a, b = getattr(record, name), getattr(again, name)
        if name == "names":
            a, b = list(a), list(b)
        assert np.array_equal(a, b) if isinstance(a, np.ndarray) else a == b, name
    assert encode(again) == encode(record)
    assert ((again.weight >= 0) & (again.weight <= 1)).all()


@hypothesis_settings(max_examples=30)
@given(logs(), st.integers(200, 5000))
def test_a_record_cut_for_the_broker_folds_to_the_same_rows(log, limit_bytes):
    table = EntityRows(SETTINGS)
    seen: set[int] = set()
    for offset, part in enumerate(split_record(record_of(log), limit_bytes)):
        events = set(part.offsets.tolist())
        assert not events & seen  # never inside an event
        seen |= events
        fold(table, [decode(encode(part))], [offset])
    assert_same_rows(folded([log]), table)


def _pairs(table: EntityRows) -> tuple[list[bytes], list[bytes]]:
    rows = table.live()
    return table.names.get(rows), encode_rows(table, rows)


@hypothesis_settings(max_examples=50)
@given(logs(most=350))
def test_rows_come_back_from_the_changelog_and_fold_on_as_if_nothing_had_happened(log):
    half = split(log, [len(log) // 2])
    table = folded(half[:1])
    keys, values = _pairs(table)
    assert decode_rows(values).rows.tobytes() == table.rows[table.live()].tobytes()
    recovered = EntityRows(SETTINGS)
    assert len(load_rows(recovered, keys, values)) == 0
    assert rows_by_name(table) == rows_by_name(recovered)
    recovered.log().folded, recovered.log().applied = table.log().folded, dict(table.log().applied)
    for offset, part in enumerate(half[1:], 1):
        fold(table, [record_of(part)], [offset])
        fold(recovered, [record_of(part)], [offset])
    assert_same_rows(table, recovered)


@hypothesis_settings(max_examples=50)
@given(logs(), st.lists(st.integers(0, 300), min_size=1, max_size=10), st.data())
def test_of_a_key_the_record_with_the_highest_offset_wins_and_a_stale_last_one_is_told(log, cuts, data):
    table, written = EntityRows(SETTINGS), []
    for offset, part in enumerate(split(log, cuts)):
        fold(table, [record_of(part)], [offset])
        written += zip(*_pairs(table), strict=True)
    shuffled = data.draw(st.permutations(written))
    recovered, last, newest = EntityRows(SETTINGS), {}, {}
    cut = data.draw(st.integers(0, len(shuffled)))
    for batch in (shuffled[:cut], shuffled[cut:]):
        if not batch:
            continue
        stale = load_rows(recovered, *(list(column) for column in zip(*batch, strict=True)))
        for key, value in batch:
            off = decode_rows([value]).rows["off"].item()
            last[key] = off
            newest[key] = max(off, newest.get(key, -1))
        told = set(recovered.names.get(stale))
        named = {key for key, _ in batch}
        assert told == {key for key in named if last[key] < newest[key]}
    assert rows_by_name(table) == rows_by_name(recovered)


@given(
    st.integers(-1, 2**60),
    st.dictionaries(st.tuples(st.text(max_size=20), st.integers(0, 1023)), st.integers(-1, 2**60), max_size=5),
    st.floats(0, 1e12),
    st.none() | st.builds(HalfLives, *[st.floats(10, 1e12)] * 3),
)
def test_a_marker_comes_back_as_it_was(folded_to, applied, watermark, half_lives):
    marker = Marker(folded_to, applied, watermark, half_lives)
    assert Marker.decode(marker.encode()) == marker


def test_a_freed_row_leaves_nothing_to_the_entity_that_gets_it():
    crowd = [Engagement(e, b"account:a", e, 1.7e9 + e, 1) for e in range(40)]
    table = folded([crowd])
    table.remove(table.live())
    fold(table, [record_of([Engagement(40, b"account:b", 1, 1.7e9, 2)])], [1])
    fresh = folded([[Engagement(40, b"account:b", 1, 1.7e9, 2)]])
    assert rows_by_name(fresh) == rows_by_name(table)
    assert ROW.names is not None
    assert table.sketch_of[table.live()].tolist() == [0]
