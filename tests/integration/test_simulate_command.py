"""`simulate` as a process: events on the topic at the pace asked for, timed as they happen."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import services
from kafka import KafkaConsumer, TopicPartition

from streams.kafka.topics import create_topics, end_offsets
from streams.settings import Settings

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def settings() -> Iterator[Settings]:
    with services.own_settings(partitions=2) as settings:
        create_topics(settings)
        yield settings


def simulate(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "streams", "simulate", *arguments]
    environ = {**os.environ, **settings.to_environ()}
    return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60, check=False)


def test_events_are_sent_as_they_happen(settings: Settings) -> None:
    begun = time.time()
    ended = simulate(settings, "--rate", "2000", "--seconds", "2", "--accounts", "500", "--seed", "3", "--json")
    assert ended.returncode == 0, ended.stderr
    result = json.loads(ended.stdout)
    assert list(result) == ["events", "seconds", "events_per_second"]
    # The hour of the day decides between 0.4 and 1.6 times the rate.
    assert 0.35 * 4000 < result["events"] < 1.65 * 4000
    assert sum(end_offsets(settings, "events").values()) == result["events"]
    with contextlib.closing(KafkaConsumer(bootstrap_servers=settings.kafka, group_id=None)) as consumer:
        consumer.assign([TopicPartition("events", 0)])
        consumer.seek_to_beginning()
        record = next(iter(consumer))
    event = json.loads(record.value)
    assert record.key.decode() == event["actor"]
    assert begun < event["at"] <= record.timestamp / 1000


@pytest.mark.parametrize("arguments", [("--rate", "0"), ("--seconds", "nan"), ("--accounts", "-1"), ("--seed", "x")])
def test_a_number_that_makes_no_sense_is_a_usage_error(settings: Settings, arguments: tuple[str, str]) -> None:
    ended = simulate(settings, *arguments)
    assert ended.returncode == 2
    assert arguments[1] in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1
