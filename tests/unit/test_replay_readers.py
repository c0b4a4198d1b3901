"""Reading recorded events: what becomes a key and a value, line by line."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from streams.errors import UsageError
from streams.replay.readers import Recording, Records

HIGGS = b"""223789 213163 1341100972 MT
223789 213163 1341100972 RE
376989 50329 1341101181 RT
"""


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def read(path: Path, format: str, limit: int | None = None, shift_s: float = 0.0) -> list[tuple[bytes | None, bytes]]:
    blocks = list(Recording(path, format, limit=limit).blocks(shift_s))
    return [pair for block in blocks for pair in zip(block.keys, block.values, strict=True)]


def test_higgs_lines_become_events_numbered_by_line(tmp_path: Path) -> None:
    records = read(write(tmp_path / "f", HIGGS), "higgs")
    assert [key for key, _ in records] == [b"223789", b"223789", b"376989"]
    expected = [
        {"id": "higgs-1", "kind": "reply", "actor": "223789", "author": "213163", "at": 1341100972},
        {"id": "higgs-2", "kind": "reply", "actor": "223789", "author": "213163", "at": 1341100972},
        {"id": "higgs-3", "kind": "share", "actor": "376989", "author": "50329", "at": 1341101181},
    ]
    assert expected == [json.loads(value) for _, value in records]


@pytest.mark.parametrize(
    "bad",
    [
        b"1 2 3",
        b"1 2 1341100972 LIKE",
        b"1 2 1341100972 RT extra",
        b"1 2 soon RT",
        b'1" 2 1341100972 RT',
        b"1 -2 1341100972 RT",
        b"",
        b"\xff\xfe",
        b"1 2 " + b"9" * 5000 + b" RT",
    ],
)
def test_a_bad_higgs_line_is_passed_on_as_it_is_and_its_neighbours_keep_their_numbers(tmp_path: Path, bad: bytes) -> None:
    records = read(write(tmp_path / "f", b"1 2 1341100972 RT\n" + bad + b"\n3 4 1341100973 RE\n"), "higgs")
    assert (None, bad) == records[1]
    assert [json.loads(records[i][1])["id"] for i in (0, 2)] == ["higgs-1", "higgs-3"]


def test_gzip_is_recognised_by_its_content(tmp_path: Path) -> None:
    plain = read(write(tmp_path / "plain.gz", HIGGS), "higgs")
    packed = read(write(tmp_path / "packed.txt", gzip.compress(HIGGS)), "higgs")
    assert plain == packed


@pytest.mark.parametrize("where", ["cut short", "wrong in the middle"])
def test_a_damaged_gzip_file_says_how_far_it_was_read(tmp_path: Path, where: str) -> None:
    packed = gzip.compress(HIGGS * 100)
    path = write(tmp_path / "f.gz", packed[:-20] if where == "cut short" else packed[:12] + b"\xff" * 20 + packed[32:])
    with pytest.raises(UsageError, match="is damaged after line"):
        read(path, "higgs")


def test_a_missing_file_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="can't be read: No such file"):
        Recording(tmp_path / "none", "events")


@pytest.mark.parametrize(("limit", "expected"), [(1, 1), (2, 2), (3, 3), (50, 3)])
def test_limit_is_a_number_of_lines(tmp_path: Path, limit: int, expected: int) -> None:
    assert expected == len(read(write(tmp_path / "f", HIGGS), "higgs", limit=limit))


def test_limit_holds_across_blocks(tmp_path: Path) -> None:
    line = b'{"actor":"a","pad":"' + b"x" * 2000 + b'"}\n'
    assert len(read(write(tmp_path / "f", line * 2000), "events", limit=1500)) == 1500


def test_a_last_line_without_a_line_end_counts(tmp_path: Path) -> None:
    assert len(read(write(tmp_path / "f", HIGGS.rstrip(b"\n")), "higgs")) == 3


def test_an_empty_file_has_no_records(tmp_path: Path) -> None:
    assert read(write(tmp_path / "f", b""), "events") == []


def test_event_lines_are_passed_on_as_they_are_with_their_actor_as_key(tmp_path: Path) -> None:
    lines = [
        '{"actor": "zoë", "at" : 1,  "unknown": [1,2]}'.encode(),
        b'{"actor":"user@host"}\r',
        b'{"actor": 5}',
        b'{"actor": "\\ud800"}',
        b"not json",
        b"\xff",
        b"",
        b'{"actor":"last","at":2}',
    ]
    records = read(write(tmp_path / "f", b"\n".join(lines) + b"\n"), "events")
    assert lines == [value for _, value in records]
    assert ["zoë".encode(), b"user@host", None, None, None, None, None, b"last"] == [key for key, _ in records]


def test_a_line_nested_too_deep_is_passed_on_as_it_is(tmp_path: Path) -> None:
    deep = b'{"actor":"a","at":5,"x":' + b"[" * 5000
    recording = Recording(write(tmp_path / "f", deep + b"\n"), "events")
    for shift_s in (0.0, 5.0):
        assert [(records.keys, records.values) for records in recording.blocks(shift_s)] == [([None], [deep])]
    assert recording.newest_time() is None


def test_blocks_join_lines_that_they_cut(tmp_path: Path) -> None:
    lines = [b'{"actor":"%d","pad":"%b"}' % (i, b"y" * (i % 700)) for i in range(6000)]
    records = read(write(tmp_path / "f", b"\n".join(lines)), "events")
    assert lines == [value for _, value in records]
    assert [b"%d" % i for i in range(6000)] == [key for key, _ in records]


def test_a_line_that_no_record_can_hold_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "f", b"{}\n" + b"x" * 1_000_001 + b"\n")
    with pytest.raises(UsageError, match=r"line 2 of .* has 1000001 bytes; expected at most 1000000"):
        read(path, "events")


def test_the_newest_time_is_found_in_higgs_lines(tmp_path: Path) -> None:
    assert Recording(write(tmp_path / "f", b"bad\n" + HIGGS), "higgs").newest_time() == 1341101181.0


def test_the_newest_time_is_found_in_numbers_and_rfc3339(tmp_path: Path) -> None:
    lines = b'{"at": 100}\n{"at": "1970-01-01T02:00:00+01:00"}\n{"at": true}\n{"at":"1971-01-01"}\nbad\n{"at": 7.5}\n'
    assert Recording(write(tmp_path / "f", lines), "events").newest_time() == 3600.0


def test_the_newest_time_is_that_of_the_lines_within_the_limit(tmp_path: Path) -> None:
    assert Recording(write(tmp_path / "f", HIGGS), "higgs", limit=2).newest_time() == 1341100972.0


def test_a_file_without_times_has_no_newest_time(tmp_path: Path) -> None:
    assert Recording(write(tmp_path / "f", b"{}\n"), "events").newest_time() is None


def test_shifting_moves_higgs_times_by_whole_seconds(tmp_path: Path) -> None:
    records = read(write(tmp_path / "f", HIGGS), "higgs", shift_s=1000.4)
    assert [json.loads(value)["at"] for _, value in records] == [1341101972, 1341101972, 1341102181]


def test_shifting_moves_both_times_of_an_event_and_nothing_else(tmp_path: Path) -> None:
    lines = b'{"id":"1","actor":"a","at":100,"actor_since":"1970-01-01T00:00:10Z","x":[null]}\n{"at":"never"}\n[1]\nbad\n'
    shifted, *unreadable = (value for _, value in read(write(tmp_path / "f", lines), "events", shift_s=50.0))
    assert json.loads(shifted) == {"id": "1", "actor": "a", "at": 150.0, "actor_since": 60.0, "x": [None]}
    assert unreadable == [b'{"at":"never"}', b"[1]", b"bad"]


def test_reading_twice_gives_the_same(tmp_path: Path) -> None:
    recording = Recording(write(tmp_path / "f", HIGGS), "higgs")
    first: list[Records] = list(recording.blocks())
    assert first == list(recording.blocks())
    assert recording.size_bytes == recording.read_bytes
