"""The demo in one command: it moves, it measures, and nothing of it is left behind."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import urlopen

import psutil
import pytest

ROOT = Path(__file__).parents[2]
KEYS = ["events", "events_per_second", "latency_p50_ms", "latency_p99_ms", "top"]


def start(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "streams", "demo", *arguments]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("CLOUTSTREAM_")}
    return subprocess.Popen(command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def family(process: subprocess.Popen[str], at_least: int) -> list[psutil.Process]:
    """Return the processes that the command has started, once there are so many."""
    deadline = time.monotonic() + 20
    while len(found := psutil.Process(process.pid).children(recursive=True)) < at_least and time.monotonic() < deadline:
        time.sleep(0.1)
    assert len(found) >= at_least
    return found


def left_of(children: list[psutil.Process]) -> list[psutil.Process]:
    return psutil.wait_procs(children, timeout=5)[1]


def test_it_prints_events_latencies_and_the_leaders_and_leaves_nothing_running() -> None:
    process = start("--seconds", "6", "--json")
    children = family(process, 3)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    result = json.loads(out)
    assert list(result) == KEYS
    assert result["events"] > 3000
    assert 500 < result["events_per_second"] < 3000
    assert 0 < result["latency_p50_ms"] <= result["latency_p99_ms"] < 5000
    assert len(result["top"]) == 10
    assert left_of(children) == []


def test_a_board_is_there_within_twenty_seconds() -> None:
    process = start()
    begun = time.monotonic()
    try:
        assert process.stdout
        for line in process.stdout:
            if line.split()[:1] == ["1"]:  # the first place
                break
        assert time.monotonic() - begun < 20
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    assert process.returncode == 0


def test_its_page_has_the_campaign_that_fills_and_the_alerts_that_the_terminal_shows() -> None:
    process = start()
    try:
        assert process.stdout
        assert process.stderr
        (page,) = re.findall(r"http://127\.0\.0\.1:\d+", process.stderr.readline())
        said = next(line for line in process.stdout if re.match(r"alert +\d\d:\d\d:\d\d ", line))
        with urlopen(f"{page}/api/v1/alerts") as answer:
            alerts = json.load(answer)["alerts"]
        assert said.split()[2] in {alert["entity"].removeprefix("account:") for alert in alerts}
        assert {alert["rule"] for alert in alerts} <= {"jump", "first-three"}
        filled = next(line for line in process.stdout if re.match(r"campaign +launch .* [1-9][\d,]* of 20,000", line))
        with urlopen(f"{page}/api/v1/campaigns") as answer:
            (campaign,) = json.load(answer)["campaigns"]
        (shown,) = re.findall(r"([\d,]+) of", filled)
        assert campaign["progress"]["value"] >= int(shown.replace(",", ""))
        assert campaign["definition"]["tags"] == ["ai"]
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    assert process.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_however_it_is_ended_its_children_end_with_it(number: signal.Signals) -> None:
    process = start("--json")
    children = family(process, 6)  # broker, Redis and worker, each with its guard
    process.send_signal(number)
    process.communicate(timeout=30)
    assert left_of(children) == []
