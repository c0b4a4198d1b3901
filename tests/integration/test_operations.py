"""A worker's HTTP endpoint: alive, ready, metrics; who may ask, and where it listens."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Iterator
from dataclasses import replace

import psutil
import pytest
from harness import deployment
from load import lively_events, send
from processes import Worker

from streams.embedded import EmbeddedRedis
from streams.secret import Secret
from streams.settings import PREFIX, Settings
from tests.faults.test_start import CONFIGURATION, refused

TOKEN = "correct-horse-battery"


@pytest.fixture
def server() -> Iterator[EmbeddedRedis]:
    """A Redis of this test's own, which it may stop."""
    with EmbeddedRedis() as server:
        yield server


def test_a_worker_is_alive_at_once_and_ready_when_it_can_work(settings: Settings) -> None:
    events = lively_events(5_000, 21, time.time() - 3600)
    with deployment(settings, workers=1) as running:
        (worker,) = running.workers
        assert worker.ask("/healthz") == (200, "alive\n")
        status, said = worker.ask("/readyz")
        assert status == 503
        assert {"assigned", "recovered"} <= set(json.loads(said)["missing"])
        running.wait_for(worker.is_ready, "ready worker")
        assert json.loads(worker.ask("/readyz")[1]) == {
            "status": "ready", "missing": [], "assigned": True, "recovered": True, "informed": True, "committing": True,
            "redis": "reachable",
        }  # fmt: skip
        send(settings, events)
        running.settle()
        running.wait_until_committed(*settings.topic_names)
        counted = worker.metrics()
        for outcome, count in running.stats().items():
            assert counted[f"cloutstream_events_total[('outcome', '{outcome}')]"] == count, outcome
        refused_records = sum(count for name, count in counted.items() if name.startswith("cloutstream_dead_letters_total"))
        assert refused_records == running.stats()["refused"] > 0
        assert counted["cloutstream_event_age_seconds_count"] > 0
        assert counted["cloutstream_commits_total"] > 0
        assert counted["cloutstream_assigned_partitions"] == settings.partitions
        lags = {name: value for name, value in counted.items() if name.startswith("cloutstream_lag_messages")}
        assert len(lags) == 3 * settings.partitions
        assert {value for name, value in lags.items() if settings.scores_topic not in name} == {0}
        assert counted["process_resident_memory_bytes"] > 1e6
        assert worker.ask("/tables")[0] == 404


def test_partitions_that_another_worker_takes_over_vanish_from_the_metrics(settings: Settings) -> None:
    with deployment(settings, workers=1) as running:
        (worker,) = running.workers
        running.wait_for(lambda: worker.metrics()["cloutstream_assigned_partitions"] == 4, "all partitions")
        second = running.start()
        running.wait_for(lambda: second.metrics()["cloutstream_assigned_partitions"] == 2, "shared partitions")
        running.wait_for(lambda: worker.metrics()["cloutstream_assigned_partitions"] == 2, "shared partitions")

        def shown(one: Worker) -> set[str]:
            names = [name for name in one.metrics() if name.startswith("cloutstream_lag_messages")]
            return {number for name in names for number in re.findall(r"'partition', '(\d+)'", name)}

        running.wait_for(lambda: len(shown(worker)) == len(shown(second)) == 2, "lag of the owned partitions alone")
        assert shown(worker) | shown(second) == set("0123")
        assert worker.metrics()["cloutstream_rebalances_total"] >= 2


def test_a_worker_without_redis_is_degraded_but_ready_and_says_when_it_is_back(settings: Settings, server: EmbeddedRedis) -> None:
    with deployment(replace(settings, redis=server.url), workers=1) as running:
        (worker,) = running.workers
        running.wait_for(worker.is_ready, "ready worker")

        def redis_is(state: str, up: float) -> bool:
            status, said = worker.ask("/readyz")
            assert status == 200, said
            return json.loads(said)["redis"] == state and worker.metrics()["cloutstream_redis_up"] == up

        running.wait_for(lambda: redis_is("reachable", 1), "Redis")
        rebuilds = worker.metrics()["cloutstream_redis_rebuilds_total"]
        server.stop()
        running.wait_for(lambda: redis_is("degraded", 0), "degraded worker")
        send(running.settings, lively_events(1_000, 22, time.time() - 3600))
        running.wait_for(lambda: worker.metrics()["cloutstream_redis_pending_entities"] > 0, "entities that wait")
        assert worker.ask("/healthz")[0] == 200
        server.start()
        running.wait_for(lambda: redis_is("reachable", 1), "Redis again")
        running.settle()
        assert worker.metrics()["cloutstream_redis_pending_entities"] == 0
        assert worker.metrics()["cloutstream_redis_rebuilds_total"] == rebuilds + 1


def test_with_a_token_only_the_sign_of_life_answers_without_it(settings: Settings) -> None:
    settings = replace(settings, operations="0.0.0.0:0", operations_token=Secret(TOKEN))
    with deployment(settings, workers=1) as running:
        (worker,) = running.workers
        assert worker.ask("/healthz")[0] == 200
        for given in ({}, {"Authorization": f"Bearer {TOKEN}x"}, {"Authorization": TOKEN}, {"Authorization": f"Basic {TOKEN}"}):
            for path in ("/readyz", "/metrics"):
                status, said = worker.ask(path, **given)
                assert status == 401
                assert "Bearer TOKEN" in said
                assert "assigned" not in said
        assert worker.ask("/metrics", Authorization=f"Bearer {TOKEN}")[0] == 200
        assert worker.ask("/readyz", Authorization=f"Bearer {TOKEN}")[0] in (200, 503)
        assert TOKEN not in worker.log()


def test_a_port_that_is_taken_ends_the_start_and_is_named(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        line = refused(replace(settings, operations=address), CONFIGURATION)
    assert f"{PREFIX}OPERATIONS is '{address}'" in line
    assert "in use" in line


@pytest.mark.parametrize("address", ["0.0.0.0:9464", "[::]:9464", "10.0.0.7:9464", "worker.example:9464"])
def test_an_address_beyond_loopback_is_refused_without_a_token(settings: Settings, address: str) -> None:
    line = refused(settings, CONFIGURATION, **{f"{PREFIX}OPERATIONS": address})
    assert address in line
    assert f"{PREFIX}OPERATIONS_TOKEN" in line


def test_with_an_empty_address_a_worker_opens_no_port(settings: Settings) -> None:
    with deployment(replace(settings, operations=""), workers=1) as running:
        (worker,) = running.workers
        running.wait_for(lambda: "ready: partitions" in worker.log(), "ready worker")
        assert "no health and metrics" in worker.log()
        assert _listening(worker.pid) == 0


def test_a_worker_opens_one_port_and_on_loopback(settings: Settings) -> None:
    with deployment(settings, workers=1) as running:
        (worker,) = running.workers
        assert worker.url().startswith("http://127.0.0.1:")
        running.wait_for(worker.is_ready, "ready worker")
        assert _listening(worker.pid) == 1


def _listening(pid: int) -> int:
    return sum(c.status == psutil.CONN_LISTEN for c in psutil.Process(pid).net_connections())
