"""The common job of the comparison: its input, its arithmetic, the recount, our own part of it, and what is shown of a run."""

from __future__ import annotations

import json
import random
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from benchmarks.child import program
from benchmarks.peers import chart, drain, job, report
from benchmarks.peers.__main__ import main
from benchmarks.peers.log import ACTOR, AUTHOR, BROKEN, STEPS, Log
from benchmarks.peers.recount import Author, Recount
from benchmarks.peers.rows import ROW, AuthorState, fold, taken
from benchmarks.peers.runner import Pace, Runner
from benchmarks.peers.systems import FLOORS, SYSTEMS
from streams.columns.placement import partitions_of
from streams.errors import CloutstreamError
from streams.events.decode import decode_events
from streams.tables.keyed import KeyedRows

EVENTS, PARTITIONS = 12_000, 4


@pytest.fixture(scope="module")
def values() -> list[bytes]:
    return [value for records, _ in Log(EVENTS, PARTITIONS).parts() for value in records.values]


@pytest.fixture(scope="module")
def expected(values: list[bytes]) -> dict[str, Author]:
    recount = Recount()
    recount.add(values)
    return recount.authors()


def assert_right(expected: dict[str, Author], found: dict[str, Any]) -> None:
    assert set(expected) == set(found)
    for name, author in expected.items():
        assert author.counts == list(found[name])[:4], name
        assert list(found[name])[4:] == pytest.approx([author.slow, author.fast, author.at], rel=1e-9, abs=1e-12), name


def test_events_folded_one_by_one_in_any_order_give_what_the_recount_says(
    values: list[bytes], expected: dict[str, Author]
) -> None:
    states: dict[str, job.State] = {}
    for value in random.Random(1).sample(values, len(values)):
        event = job.event_of(value)
        if event is not None:
            states[event.author] = job.folded(states.get(event.author), event.kind, event.at)
    assert_right(expected, states)


@pytest.mark.parametrize("value", BROKEN)
def test_a_broken_record_is_an_event_for_nobody(value: bytes) -> None:
    recount = Recount()
    recount.add([value])

    assert job.event_of(value) is None
    assert recount.authors() == {}
    assert len(decode_events([value])[1]) == 1


def test_the_log_is_the_same_each_time_and_has_every_kind_and_every_broken_record(values: list[bytes]) -> None:
    again = [value for records, _ in Log(EVENTS, PARTITIONS).parts() for value in records.values]
    assert values == again
    assert len(Log(EVENTS, PARTITIONS)) == len(values)
    assert set(BROKEN) <= set(values)
    kinds = [event.kind for value in values if (event := job.event_of(value))]
    assert all(kinds.count(kind) > EVENTS / 20 for kind in job.KINDS)


def test_ids_are_distinct_also_where_the_recording_begins_again(monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks.peers import log as module

    source, recorded = module._recorded()
    monkeypatch.setattr(module, "_recorded", lambda: (source, recorded[:1000]))

    events = [json.loads(v) for records, _ in Log(2500, PARTITIONS).parts() for v in records.values if v not in BROKEN]

    assert len({event["id"] for event in events}) == len(events)
    assert events[-1]["at"] > events[0]["at"] + 2 * (recorded[999].at - recorded[0].at)


@pytest.mark.parametrize("keyed_by", [AUTHOR, ACTOR])
def test_marks_are_evenly_spread_one_a_step_and_partition_and_stand_where_they_are_looked_for(keyed_by: str) -> None:
    log = Log(EVENTS, PARTITIONS, keyed_by)
    since: list[int] = [0]
    marks = []
    for records, is_marks in log.parts():
        if is_marks:
            assert [json.loads(v)["author"].encode() for v in records.values] == log.marks()[len(marks)]
            assert list(log.placed(records)) == [1] * PARTITIONS  # by the key, whatever it is
            assert list(partitions_of(log.marks()[len(marks)], PARTITIONS)) == list(range(PARTITIONS))  # by the author
            marks.append(since.pop())
            since.append(0)
        else:
            since[-1] += len(records.values)
    assert marks == [EVENTS // STEPS] * STEPS
    assert since == [0]  # nothing comes after the last


def test_what_is_keyed_by_actor_is_the_same_otherwise(values: list[bytes]) -> None:
    log = Log(EVENTS, PARTITIONS, ACTOR)
    records = [pair for part, _ in log.parts() for pair in zip(part.keys, part.values, strict=True)]
    assert values == [value for _, value in records]
    assert all(key == json.loads(value)["actor"].encode() for key, value in records if value not in BROKEN)


def test_who_engages_with_themselves_counts_for_the_job_and_not_for_the_pipeline() -> None:
    event = json.dumps({"kind": "like", "actor": "ann", "author": "ann", "at": 5}).encode()
    counting, not_counting = Recount(), Recount(counts_oneself=False)
    counting.add([event])
    not_counting.add([event])
    assert counting.authors() == {"ann": Author([0, 1, 0, 0], 0.26, 0.26, 5.0, True)}
    assert not_counting.authors() == {}


def folded(values: list[bytes], batch: int, times: int = 1) -> KeyedRows:
    table = KeyedRows(ROW)
    for first in range(0, len(values), batch):
        events, _ = decode_events(values[first : first + batch])
        for _ in range(times):
            fold(table, 0, events, first + events.index)
    return table


def states_of(table: KeyedRows) -> dict[str, Any]:
    rows = table.live()
    return {name.decode(): state.tolist()[1:] for name, state in zip(table.names.get(rows), table.rows[rows], strict=True)}


@pytest.mark.parametrize("batch", [100_000, 700])
def test_our_columns_give_what_the_recount_says(batch: int, values: list[bytes], expected: dict[str, Author]) -> None:
    assert_right(expected, states_of(folded(values, batch)))


def test_what_our_rows_have_is_not_counted_again(values: list[bytes], expected: dict[str, Author]) -> None:
    assert_right(expected, states_of(folded(values, 700, times=2)))


def test_our_rows_come_back_from_their_changelog_whatever_was_written_last(
    values: list[bytes], expected: dict[str, Author]
) -> None:
    half, whole = folded(values[:6000], 6000), folded(values, 6000)
    older, newer = (taken(table, table.touched([0])) for table in (half, whole))
    table = KeyedRows(ROW)
    state = AuthorState(table, 0)

    state.load(newer[0], newer[1])
    state.load(older[0], older[1])
    assert_right(expected, states_of(table))
    assert not table.dirty.any()

    state.load_foreign(older[0], older[1])
    assert_right(expected, states_of(table))
    assert sorted(table.names.get(table.touched([0]))) == sorted(older[0])


def test_a_deployment_comes_back_from_its_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    at = job.Deployment(
        kafka="127.0.0.1:9", redis="redis://127.0.0.1:9/0", topic="t", partitions=4, group="g", folder="/f", tick_s=0.1, worker=1,
        workers=2,
    )  # fmt: skip
    for name, value in at.to_environ().items():
        monkeypatch.setenv(name, value)
    assert at == job.Deployment.from_environ()


def test_every_system_has_a_version() -> None:
    assert all(system.version()[0].isdigit() for system in SYSTEMS.values())


def drained(system: str, workers: int, events_per_second: float) -> dict[str, Any]:
    figures = {"events_per_second": events_per_second, "cpu_s_per_million": 9.5, "peak_rss_mb": 120.0}
    return {"name": "drain", "system": system, "workers": workers, **figures}


LINES: list[dict[str, Any]] = [
    {"name": "machine", "cpus": 2, "processor": "a processor", "memory_gb": 24.3, "python": "3.11.7"},
    {"name": "run", "date": "2026-11-22", "kafka": "4.3.1", "redis": "7.0.15", "rounds": 3},
    {"name": "system", "system": "ours", "version": "0.1.0"},
    *(drained("ours", workers, speed) for workers in (1, 2) for speed in (100_000.0, 300_000.0, 200_000.0)),
    {"name": "steady", "system": "ours", "rate": "common", "asked_per_second": 1000, "p50_ms": 80.0, "p99_ms": 190.0},
    {"name": "failed", "system": "quix", "what": "its environment", "why": "its environment: no index"},
    {"name": "floor", "floor": FLOORS[0], "per_second": 500_000.0, "cpu_s_per_million": 2.0, "peak_rss_mb": 90.0},
]


def test_the_table_has_a_row_for_each_system_and_says_what_is_missing() -> None:
    table = report.markdown(LINES).splitlines()
    ours = next(line for line in table if line.startswith("| Cloutstream's parts"))
    quix = next(line for line in table if line.startswith("| Quix Streams"))
    cells = len(next(line for line in table if line.startswith("|---")).split("|"))

    assert "200,000 (100,000 to 300,000)" in ours
    assert "80 / 190 ms" in ours
    assert "not measured" in quix
    assert any(line.startswith("| Floor: fetch | 500,000 events/s") for line in table)
    assert table[-1] == "Quix Streams: its environment: no index"
    assert {len(line.split("|")) for line in table if line.startswith("|")} == {cells}


def test_the_table_of_a_quick_run_says_so() -> None:
    quick = [{**line, "is_quick": True} for line in LINES]
    assert report.markdown(quick).splitlines()[2:] == report.markdown(LINES).splitlines()
    assert "not how fast" in report.markdown(quick).splitlines()[0]


def test_the_chart_is_well_formed_and_names_whoever_was_measured() -> None:
    root = ET.fromstring(chart.svg(LINES))
    texts = [element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "Cloutstream's parts 0.1.0" in texts
    assert not any("Quix" in text for text in texts)
    assert texts.count("200,000") == 2  # one worker, and two


def test_what_an_earlier_run_printed_is_shown_without_measuring(tmp_path: Path) -> None:
    results, table, picture = tmp_path / "lines", tmp_path / "table.md", tmp_path / "chart.svg"
    results.write_text("\n".join(map(json.dumps, LINES)))

    assert main(["--results", str(results), "--markdown", str(table), "--svg", str(picture)]) == 0
    assert table.read_text() == report.markdown(LINES)
    assert picture.read_text() == chart.svg(LINES)


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """What was drained, events and workers, by a system that does 10,000 events a second whatever the log."""
    asked: list[tuple[int, int]] = []

    def measure(stage: Any, system: Any, events: int, workers: int) -> dict[str, Any]:
        asked.append((events, workers))
        seconds = (1 - drain.WARM_UP_RATIO) * events / 10_000
        clock = {"seconds": seconds, "has_warmed_up": True} if events > 25_000 else {"seconds": 9.0, "has_warmed_up": False}
        return {**drained(system.name, workers, 10_000.0), "events": events, **clock}

    monkeypatch.setattr(drain, "measure", measure)
    return asked


def test_logs_get_longer_until_one_keeps_a_system_busy_however_long_its_start_takes(measured: list[tuple[int, int]]) -> None:
    size, found = drain.enough(cast(Any, None), SYSTEMS["ours"], 1, drain.LOGS_EVENTS[0], busy_s=5.0)

    assert size == 100_000
    assert found is not None
    assert found["seconds"] >= 5.0
    assert measured == [(25_000, 1), (100_000, 1)]


def test_what_found_the_size_of_a_log_is_the_first_round(
    measured: list[tuple[int, int]], capsys: pytest.CaptureFixture[str]
) -> None:
    Runner(cast(Any, None), [SYSTEMS["ours"]], Pace(busy_s=5.0)).drains(2, [1, 2])

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["workers"], line["events"], line["round"]) for line in lines] == [
        (1, 100_000, 1), (2, 100_000, 1), (1, 100_000, 2), (2, 100_000, 2),
    ]  # fmt: skip
    assert len(measured) == 5  # two of them to find the size for one worker


def test_a_failure_is_told_and_the_next_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    runner = Runner(cast(Any, None), [], Pace(is_quick=True))
    for name, error in (("quix", CloutstreamError("no index")), ("faust", KeyError("x"))):
        with runner.attempt(name, "draining"):
            raise error

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["name"], line["system"]) for line in lines] == [("failed", "quix"), ("failed", "faust")]
    assert [line["why"] for line in lines] == ["draining: no index", "draining: KeyError('x')"]
    assert runner.has_failed


def test_a_program_that_ended_is_told_with_its_last_words(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import os; print(os.getcwd(), os.environ['NAME'])"]
    with (tmp_path / "log").open("w+b") as log, program("a worker", command, {"NAME": "ann"}, tmp_path, log) as running:
        running.wait(30)
        with pytest.raises(CloutstreamError, match=f"a worker has ended.*{tmp_path} ann"):
            running.check()


def test_listing_names_every_system(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    assert list(SYSTEMS) == capsys.readouterr().out.split()


def test_rows_of_many_partitions_are_kept_apart() -> None:
    event = json.dumps({"id": "1", "kind": "like", "actor": "bob", "author": "ann", "at": 5}).encode()
    table = KeyedRows(ROW)
    events, _ = decode_events([event])
    for partition in (0, 1):
        fold(table, partition, events, np.array([0]))
    AuthorState(table, 0).drop()
    assert list(table.part[table.live()]) == [1]
