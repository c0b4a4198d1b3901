"""A worker that can't work says why in one line, with the right exit code, within ten seconds."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest
from processes import ROOT

from streams.embedded import free_port
from streams.kafka.topics import create_topics
from streams.settings import PREFIX, Settings

CONFIGURATION, UNAVAILABLE = 78, 69
HANGS_S = 60.0


def refused(settings: Settings, expected: int, *arguments: str, **variables: str) -> str:
    """Start a worker that must end by itself with `expected`; return the one line it says."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    ended = subprocess.run(
        [sys.executable, "-m", "streams", "worker", *arguments],
        cwd=ROOT,
        env=environ | settings.to_environ() | variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=HANGS_S,
    )
    assert (expected, "") == (ended.returncode, ended.stdout), ended.stderr
    lines = ended.stderr.splitlines()
    assert len(lines) == 1, ended.stderr
    assert lines[0].startswith("cloutstream: ")
    return lines[0]


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that takes connections and never says anything."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.mark.parametrize(
    ("name", "value", "valid"),
    [
        ("PARTITIONS", "none", "whole number"),
        ("PARTITIONS", "0", "from 1"),
        ("HALF_LIFE_SLOW_S", "nan", "number"),
        ("WEIGHT_LIKE", "1.5", "0 to 1"),
        ("KAFKA", "nowhere", "host:port"),
        ("REDIS", "http://localhost", "redis://"),
        ("INPUT_TOPICS", "events,events", "once"),
        ("TOPICS_ENABLED", "perhaps", "true or false"),
        ("CLOCK", "sun", "wall, event"),
    ],
)
def test_a_wrong_setting_is_named_with_its_value_and_what_is_valid(settings: Settings, name: str, value: str, valid: str) -> None:
    line = refused(settings, CONFIGURATION, **{PREFIX + name: value})
    assert PREFIX + name in line
    assert value in line
    assert valid in line


def test_a_setting_that_does_not_exist_is_named(settings: Settings) -> None:
    assert f"{PREFIX}HALFLIFE" in refused(settings, CONFIGURATION, **{f"{PREFIX}HALFLIFE": "60"})


def test_no_broker_is_said_with_its_address(settings: Settings) -> None:
    away = f"127.0.0.1:{free_port()}"
    line = refused(replace(settings, kafka=away), UNAVAILABLE)
    assert "Kafka" in line
    assert away in line


def test_a_broker_that_never_answers_is_given_up(settings: Settings, silent_port: int) -> None:
    assert f"127.0.0.1:{silent_port}" in refused(replace(settings, kafka=f"127.0.0.1:{silent_port}"), UNAVAILABLE)


def test_no_redis_is_said_with_its_address_but_without_its_password(settings: Settings) -> None:
    away = f"127.0.0.1:{free_port()}"
    line = refused(replace(settings, redis=f"redis://someone:secret@{away}/0"), UNAVAILABLE)
    assert "Redis" in line
    assert away in line
    assert "secret" not in line


def test_a_redis_that_never_answers_is_given_up(settings: Settings, silent_port: int) -> None:
    assert f"127.0.0.1:{silent_port}" in refused(replace(settings, redis=f"redis://127.0.0.1:{silent_port}/0"), UNAVAILABLE)


def test_topics_with_another_number_of_partitions_are_named_with_both_numbers(settings: Settings) -> None:
    create_topics(settings)
    line = refused(replace(settings, partitions=2), CONFIGURATION)
    assert settings.topic_names[0] in line
    assert "has 4 partitions, expected 2" in line


def test_a_second_input_topic_with_another_number_of_partitions_is_named(settings: Settings) -> None:
    other = f"{settings.app_id}-likes"
    create_topics(replace(settings, app_id=f"{settings.app_id}-other", input_topics=other, partitions=3))
    line = refused(replace(settings, input_topics=f"{settings.input_topics},{other}"), CONFIGURATION)
    assert f"'{other}' has 3 partitions, expected 4" in line


def test_topics_that_are_missing_are_named_where_they_may_not_be_created(settings: Settings) -> None:
    line = refused(settings, CONFIGURATION, "--no-create-topics")
    assert settings.engagements_topic in line
    assert "cloutstream topics create" in line
