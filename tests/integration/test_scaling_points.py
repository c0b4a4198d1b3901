"""The scaling benchmarks run on Apache Kafka and redis-server, and their lines have what the sizing page is made of."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import services

ROOT = Path(__file__).parents[2]

pytestmark = [
    pytest.mark.skipif(
        services.TEST_KAFKA != "apache", reason="brings Apache Kafka itself: run with CLOUTSTREAM_TEST_KAFKA=apache"
    ),
    pytest.mark.skipif(
        not all(map(shutil.which, ("java", "mvn", "redis-server"))), reason="needs Java 17, Maven and redis-server"
    ),
]


def measured(point: str) -> dict[str, dict[str, Any]]:
    """Return the lines of a quick run of a point by name, and by topic where they have one."""
    command = [sys.executable, "-m", "benchmarks.scaling", "--quick", "--only", point]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    lines: list[dict[str, Any]] = [json.loads(line) for line in done.stdout.splitlines()]
    assert all(line["is_quick"] for line in lines)
    return {line.get("topic", line["name"]): line for line in lines}


def test_a_worker_that_is_started_again_has_the_rows_of_everybody_and_goes_on() -> None:
    found = measured("accounts-10000")

    accounts = found["accounts"]["accounts"]
    assert found["rows_made"]["events"] == accounts
    assert found["recovery"]["rows"] == 2 * accounts
    assert found["recovery"]["records"] >= 2 * accounts
    assert found["redis"]["bytes_per_account"] > found["redis"]["hash_bytes"] + found["redis"]["boards_bytes"] > 0
    assert found["kafka_held"]["bytes"]["events"] > 50 * accounts
    assert found["accounts"]["probes"] > 0
    assert found["accounts"]["events_per_second"] > 0
    assert found["accounts"]["input_written_bytes_per_event"] > 50


def test_two_workers_share_the_work() -> None:
    found = measured("partitions-2-workers-2")["partitions"]

    assert found["workers"] == len(found["worker_cpu_ratios"]) == 2
    assert found["probes"] > 0


def test_compaction_leaves_every_row_and_takes_records_away() -> None:
    found = measured("kafka")

    for topic in ("entities", "actors", "scores"):
        rows = found[topic]
        assert 0 < rows["rows"] <= rows["records_of_rows"] <= rows["records_written"]
        assert 0 < rows["rows"] * rows["bytes_per_record"] < rows["bytes"]
    assert found["scores"]["records_of_rows"] < found["scores"]["records_written"]
