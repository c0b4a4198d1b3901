"""The comparison runs on each system whose environment was made: that takes minutes and the package indexes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import redis
import services

from benchmarks.peers import check, environments, job
from benchmarks.peers.recount import Author, Recount
from benchmarks.peers.systems import SYSTEMS
from streams.embedded import EmbeddedRedis

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = {name: environments.KAFKA_STREAMS if name == "kafka-streams" else name for name in SYSTEMS}
EVENT = {"kind": "like", "actor": "bob", "author": "ann", "at": 1341100972}


def why_not(name: str) -> str | None:
    if services.TEST_KAFKA != "apache":
        return "brings Apache Kafka itself: run with CLOUTSTREAM_TEST_KAFKA=apache"
    if not all(map(shutil.which, ("java", "mvn", "redis-server"))):
        return "needs Java 17, Maven and redis-server"
    if name in ("ours", "whole") or environments.is_made(ENVIRONMENTS[name]):
        return None
    return f"run `make bench-peers ARGS='--quick --only {name}'`, which makes its environment"


@pytest.mark.parametrize("name", SYSTEMS)
def test_it_runs_and_leaves_what_is_right(name: str) -> None:
    if reason := why_not(name):
        pytest.skip(reason)
    command = [sys.executable, "-m", "benchmarks.peers", "--quick", "--only", name, "--rounds", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900, check=False)

    lines: list[dict[str, Any]] = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stderr + done.stdout
    assert {line["workers"] for line in lines if line["name"] == "drain"} == {1, 2}
    assert [line["probes"] > 0 for line in lines if line["name"] == "steady"] == [True]
    assert len([line for line in lines if line["name"] == "floor"]) == 3


@pytest.fixture
def client(server: EmbeddedRedis) -> redis.Redis:
    return redis.Redis.from_url(server.url)


@pytest.fixture
def expected() -> dict[str, Author]:
    recount = Recount()
    recount.add(json.dumps({**EVENT, **more}).encode() for more in ({}, {"kind": "share"}, {"author": "cid"}))
    return recount.authors()


def written(client: redis.Redis, expected: dict[str, Author]) -> None:
    pipe = client.pipeline()
    for name, author in expected.items():
        job.write(pipe, name, [*author.counts, author.slow, author.fast, author.at])
    pipe.execute()


def test_what_is_right_has_no_differences(client: redis.Redis, expected: dict[str, Author]) -> None:
    written(client, expected)
    assert check.common(client, expected) == []


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (lambda c: c.hincrby("peer:score:ann", "likes", 1), "likes"),
        (lambda c: c.hincrbyfloat("peer:score:ann", "slow", 1e-6), "slow"),
        (lambda c: c.hdel("peer:score:ann", "at"), "fields"),
        (lambda c: c.zincrby("peer:board", 1, "ann"), "sort key"),
        (lambda c: c.zrem("peer:board", "cid"), "on the board"),
        (lambda c: c.delete("peer:score:cid"), "keys"),
        (lambda c: c.set("peer:score:b", 1), "keys"),
    ],
)
def test_what_is_wrong_is_told(client: redis.Redis, expected: dict[str, Author], wrong: Any, told: str) -> None:
    written(client, expected)
    wrong(client)
    assert any(told in difference for difference in check.common(client, expected))
