"""Events of the scaling benchmarks, and the page that is made of their lines; how fast anything is, is for no test to say."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.plot import Axis, line_chart
from benchmarks.run import Figures
from benchmarks.scaling import events
from benchmarks.scaling.__main__ import POINTS, main
from benchmarks.sizing.__main__ import DOCS
from benchmarks.sizing.__main__ import main as write
from benchmarks.sizing.constants import MissingLine, constants
from benchmarks.sizing.formulas import BUSY_RATIO, Load, needed
from benchmarks.sizing.page import TEMPLATE, page
from benchmarks.sizing.series import charts
from streams.events.decode import decode_events
from streams.replay.readers import Records

END_S = 1_700_000_000.0
EVENT_BYTES = {"input": 100.0, "engagements": 60.0, "entities": 300.0, "actors": 250.0, "scores": 350.0}


def values_of(blocks: Any) -> list[dict[str, Any]]:
    found: list[Records] = list(blocks)
    values = [value for block in found for value in block.values]
    _, refused = decode_events(values)
    assert not len(refused)
    decoded = [json.loads(value) for value in values]
    assert [event["actor"].encode() for event in decoded] == [key for block in found for key in block.keys]
    assert len({event["id"] for event in decoded}) == len(decoded)
    return decoded


def test_everybody_acts_once_and_is_acted_upon_once() -> None:
    found = values_of(events.everybody(30_000, END_S))
    everyone = {str(n) for n in range(30_000)}
    assert {event["actor"] for event in found} == {event["author"] for event in found} == everyone
    assert len(found) == 30_000
    assert all(event["actor"] != event["author"] for event in found)
    assert END_S - events.SPAN_S <= found[0]["at"] < found[-1]["at"] < END_S


def test_without_an_exponent_authors_have_equal_parts() -> None:
    counts = np.bincount([int(event["author"]) for event in values_of(events.drawn(50_000, 100, END_S))], minlength=100)
    assert counts.min() > 350
    assert counts.max() < 650


def test_by_zipfs_law_the_second_has_half_of_what_the_first_has() -> None:
    found = values_of(events.drawn(50_000, 1_000, END_S, exponent=1.0))
    counts = np.bincount([int(event["author"]) for event in found], minlength=1_000)
    assert counts[1] / counts[0] == pytest.approx(1 / 2, rel=0.1)
    assert counts[3] / counts[0] == pytest.approx(1 / 4, rel=0.1)


def test_a_hot_author_has_the_part_asked_for() -> None:
    found = values_of(events.drawn(20_000, 1_000, END_S, hot_ratio=0.5))
    assert sum(event["author"] == "0" for event in found) / 20_000 == pytest.approx(0.5, abs=0.02)


def test_draws_of_different_seeds_have_different_ids() -> None:
    one, other = (values_of(events.drawn(100, 10, END_S, seed=seed)) for seed in (1, 2))
    assert not {event["id"] for event in one} & {event["id"] for event in other}


def test_listing_names_every_point(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    assert list(POINTS) == capsys.readouterr().out.split()


def drain(point: str, name: str, **more: Any) -> Figures:
    cpu = {"worker_cpu_us_per_event": 20.0, "broker_cpu_us_per_event": 4.0, "redis_cpu_us_per_event": 10.0}
    late = {"p50_ms": 100.0, "p99_ms": 300.0}
    rest = {
        "events_per_second": 20_000.0,
        "worker_cpu_ratios": [0.9],
        "worker_rss_mb": 500.0,
        "worker_peak_rss_mb": 600.0,
        **late,
    }
    return {"name": name, "point": point, "is_quick": False, **cpu, **rest, **more}


def lines() -> list[Figures]:
    """Return a line of every kind with round numbers."""
    found: list[Figures] = [
        {"name": "machine", "point": "", "cpus": 2, "memory_gb": 24.0, "python": "3.11.7", "date": "2026-11-22"},
        *({"name": "memory", "point": "memory", "people": n, "rss_bytes_per_row": 200.0 + n} for n in (1, 3, 100)),
        {"name": "memory_actors", "point": "memory", "rss_bytes_per_row": 150.0, "id_window_bytes_per_event": 50.0},
        {
            "name": "kafka_events",
            "point": "kafka",
            "events": 10,
            "input_bytes_per_event": 100.0,
            "engagements_bytes_per_event": 60.0,
        },
    ]
    for topic in ("entities", "actors", "scores"):
        sizes = {"events": 10, "bytes_per_record": 200.0, "other_bytes": 100}
        found.append({"name": "kafka_rows", "point": "kafka", "topic": topic, **sizes})
    for accounts in (10_000, 100_000, 1_000_000, 5_000_000):
        point = f"accounts-{accounts}"
        found.append(drain(point, "rows_made", accounts=accounts))
        held = {"bytes_per_account": 900.0, "changes_mb": 40.0, "changes": 100_000, "used_mb": accounts * 9e-4}
        found.append({"name": "redis", "point": point, "accounts": accounts, **held})
        found.append(
            {"name": "recovery", "point": point, "rows": 2 * accounts, "records": 3 * accounts, "seconds": accounts / 1e5}
        )
        written = {f"{name}_written_bytes_per_event": size for name, size in EVENT_BYTES.items()}
        more = {"accounts": accounts, "events": 1_000, "worker_peak_rss_mb": 100 + accounts / 2_500}
        found.append(drain(point, "accounts", **more, **written))
    for partitions, workers in ((1, 1), (8, 1), (8, 2)):
        point = f"partitions-{partitions}-workers-{workers}"
        found.append(drain(point, "partitions", partitions=partitions, workers=workers, worker_cpu_us_per_event=12.0))
    for exponent in (0.0, 1.0):
        more = {"partitions": 8, "workers": 1, "exponent": exponent, "hot_ratio": 0.0}
        found.append(drain(f"zipf-{exponent:g}-workers-1", "skew", **more))
    return [{"is_quick": False, **line} for line in found]


def test_points_that_constants_are_from_are_points() -> None:
    assert {constant.point for constant in constants(lines()).values()} <= set(POINTS)


def test_a_constant_that_was_not_measured_says_what_to_run() -> None:
    without = [line for line in lines() if line["point"] != "kafka"]
    with pytest.raises(MissingLine, match=r"run: python -m benchmarks\.scaling --only kafka"):
        constants(without)


def test_of_a_point_measured_twice_the_last_counts() -> None:
    found = next(line for line in lines() if (line["point"], line["name"]) == ("accounts-1000000", "accounts"))
    again = {**found, "worker_cpu_us_per_event": 25.0}
    assert constants([*lines(), again])["even_worker_us"].value == 25.0


def test_needs_follow_from_the_constants() -> None:
    c = {name: constant.value for name, constant in constants(lines()).items()}
    need = needed(c, Load(accounts=1e6, events_per_s=30_000, shape="even", replication=3))

    assert need.worker_cores == pytest.approx(0.6)
    assert need.workers == 1
    assert need.redis_cores == pytest.approx(0.3)
    assert need.redis_servers == 1
    assert need.partitions == 8
    assert need.worker_memory_bytes == pytest.approx(104e6 + 1e6 * (203 + 150) + 8 * 2**21 * 50)
    assert need.redis_memory_bytes == pytest.approx(1e6 * 900 + 8 * 100_000 * 400)
    ids = 8 * 2**21 * 10
    assert need.kafka_bytes == pytest.approx(3 * (30_000 * 160 * 7 * 86_400 + 1e6 * 600 / 0.8 + ids + 30_000 * 900 * 3_600))
    assert need.recovery_s == pytest.approx(2e6 / 200_000)


@pytest.mark.parametrize("events_per_s", [1.0, 1e4, 1e6, 3e6])
def test_no_core_is_planned_busier_than_it_may_be_and_partitions_suffice(events_per_s: float) -> None:
    c = {name: constant.value for name, constant in constants(lines()).items()}
    need = needed(c, Load(accounts=1e6, events_per_s=events_per_s))

    assert need.worker_cores / need.workers <= BUSY_RATIO + 1e-9
    assert need.redis_cores / need.redis_servers <= BUSY_RATIO + 1e-9
    assert need.partitions >= need.workers


def test_every_number_of_the_page_is_from_the_lines() -> None:
    text = page(lines())
    assert "$" not in text
    changed = [{**line, "rss_bytes_per_row": 777.0} if line["name"] == "memory_actors" else line for line in lines()]
    assert "777 bytes" in page(changed)
    assert "777" not in text


def test_the_template_has_no_measured_number_typed_by_hand() -> None:
    prose = re.sub(r"\$\w+|CLOUTSTREAM_\w+|`[^`]*`", "", TEMPLATE.read_text())
    units = re.findall(r"\d[\d,.]*\s*(?:µs|ms|events/s|bytes|[kMGT]B)", prose)
    assert units == []


def test_a_quick_run_makes_no_page() -> None:
    with pytest.raises(MissingLine, match="--quick"):
        page([*lines(), {**drain("accounts-10000", "accounts", accounts=100), "is_quick": True}])


def test_a_run_with_a_gap_writes_nothing(tmp_path: Path) -> None:
    results = tmp_path / "results.jsonl"
    results.write_text("\n".join(json.dumps(line) for line in lines() if line["name"] != "skew"))
    with pytest.raises(MissingLine, match="skew of authors"):
        write([str(results), "--folder", str(tmp_path / "docs")])
    assert not (tmp_path / "docs").exists()


def test_page_and_plots_are_written_and_the_page_shows_every_plot(tmp_path: Path) -> None:
    results = tmp_path / "results.jsonl"
    results.write_text("\n".join(map(json.dumps, lines())))

    assert write([str(results), "--folder", str(tmp_path)]) == 0

    text = (tmp_path / "sizing.md").read_text()
    shown = set(re.findall(r"\(([\w-]+\.svg)\)", text))
    assert shown == {path.name for path in tmp_path.glob("*.svg")} == {f"{chart.name}.svg" for chart in charts(lines())}
    for name in shown:
        ET.parse(tmp_path / name)  # well formed


@pytest.mark.skipif(
    not (DOCS / "sizing.jsonl").exists(), reason="no run is kept; python -m benchmarks.scaling > docs/sizing.jsonl"
)
def test_the_page_in_the_repository_is_of_the_run_kept_beside_it() -> None:
    kept = [json.loads(line) for line in (DOCS / "sizing.jsonl").read_text().splitlines()]
    assert page(kept) == (DOCS / "sizing.md").read_text()
    for chart in charts(kept):
        assert chart.svg() == (DOCS / f"{chart.name}.svg").read_text()


def places(svg: str) -> list[tuple[float, float]]:
    circles = [e for e in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}circle") if e.get("r") == "4"]
    return [(float(e.get("cx") or 0), float(e.get("cy") or 0)) for e in circles]


def test_equal_ratios_are_equal_distances_on_a_logarithmic_axis() -> None:
    (a, _), (b, _), (c, _) = places(line_chart("t", Axis("x", is_log=True), Axis("y"), {"s": [(10, 1), (100, 2), (1_000, 3)]}))
    assert b - a == pytest.approx(c - b, abs=0.2)


def test_a_linear_axis_begins_at_nothing_and_more_is_higher() -> None:
    svg = line_chart("t", Axis("x"), Axis("y"), {"s": [(0, 0), (1, 50), (2, 100)]})
    (_, low), (_, middle), (_, high) = places(svg)
    assert low - middle == pytest.approx(middle - high, abs=0.2)
    assert low > high


@pytest.mark.parametrize("highest", [0.081, 1.0, 1.5, 7.9, 8.0, 8.1, 95.0, 99.99, 158_000.0])
def test_any_height_finds_a_round_step(highest: float) -> None:
    (_, _), (_, y) = places(line_chart("t", Axis("x"), Axis("y"), {"s": [(0, 0), (1, highest)]}))
    assert 0 < y < 340 / 2  # and fills the picture


def test_one_point_alone_is_drawn_within_the_picture() -> None:
    for axis in (Axis("x", is_log=True), Axis("x")):
        ((x, y),) = places(line_chart("t", axis, axis, {"s": [(7, 7)]}))
        assert 0 < x < 640
        assert 0 < y < 340
