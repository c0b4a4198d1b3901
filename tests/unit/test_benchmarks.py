"""The benchmarks run and print what a program can read; how fast anything is, is for no test to say."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import logs
from benchmarks.__main__ import BENCHMARKS
from benchmarks.latency_load import check_kept_up
from streams.errors import CloutstreamError

ROOT = Path(__file__).parents[2]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


def test_listing_names_every_benchmark() -> None:
    done = run("--list")

    assert done.returncode == 0, done.stderr
    assert list(BENCHMARKS) == done.stdout.split()


def test_an_unknown_name_is_a_usage_error_that_says_what_there_is() -> None:
    done = run("speed")

    assert done.returncode == 2
    assert "'speed'" in done.stderr
    assert "pipeline_drain" in done.stderr


def test_every_line_printed_is_a_json_object_with_a_name() -> None:
    done = run("import_time", "reach_error", "--quick")

    assert done.returncode == 0, done.stderr
    lines: list[dict[str, Any]] = [json.loads(line) for line in done.stdout.splitlines()]
    assert {line["name"] for line in lines} == {"machine", "import_time", "reach_error", "reach_switch"}
    assert all(line["is_quick"] for line in lines if line["name"] != "machine")
    assert all(line["reach_relative_error"] < 0.2 for line in lines if line["name"].startswith("reach"))


@pytest.fixture
def no_recording(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(logs, "HIGGS", tmp_path)


@pytest.mark.usefixtures("no_recording")
def test_without_the_recording_the_events_are_simulated_in_its_shape() -> None:
    log = logs.higgs()

    events = [json.loads(value) for block in log.blocks for value in block.values]
    authors: dict[str, int] = {}
    for event in events:
        authors[event["author"]] = authors.get(event["author"], 0) + 1
    assert log.source.startswith("simulated")
    assert logs.HIGGS_EVENTS == len(log) == len({event["id"] for event in events})
    # The recording has 53,694 authors and 255,696 actors; its first author has 6.9 % of all events.
    assert len(authors) == pytest.approx(53_694, rel=0.1)
    assert len({event["actor"] for event in events}) == pytest.approx(255_696, rel=0.1)
    assert max(authors.values()) / len(events) == pytest.approx(0.069, rel=0.2)
    assert [block.values for block in logs.higgs().blocks] == [block.values for block in log.blocks]


def test_tags_are_two_different_ones_per_event() -> None:
    log = logs.tagged(logs.uniform(1000))

    tags = [json.loads(value)["tags"] for block in log.blocks for value in block.values]
    assert len(tags) == 1000
    assert all(len(set(pair)) == 2 for pair in tags)


def test_uniform_events_touch_another_account_each() -> None:
    events = [json.loads(value) for block in logs.uniform(5000).blocks for value in block.values]

    assert len({event["author"] for event in events}) == 5000
    assert len({event["actor"] for event in events}) == 5000


def test_a_load_that_was_less_than_asked_for_gives_no_figure() -> None:
    check_kept_up({"sent": 10_000, "seconds": 10.1}, 1_000)
    with pytest.raises(CloutstreamError, match="900 events a second; expected 1000"):
        check_kept_up({"sent": 9_000, "seconds": 10.0}, 1_000)
