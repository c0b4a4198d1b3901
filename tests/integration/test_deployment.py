"""Every command of docker-compose.yml and the Dockerfile, run as a process on a real broker and Redis, without Docker."""

import contextlib
import dataclasses
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import IO

import pytest
import redis

from streams.embedded import free_port
from streams.settings import PREFIX, Settings
from tests.deployment import own_commands, own_services

READY_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 10.0
OPERATIONS = f"{PREFIX}OPERATIONS"


def environment(settings: Settings, service: str = "worker") -> dict[str, str]:
    """The service's variables, with the addresses and names of this test; `settings` has what they don't say."""
    given = own_services()[service]["environment"]
    names = ["kafka", "redis", "redis_prefix", "app_id", "input_topics", "session_timeout_s", "operations"]
    ours = {f"{PREFIX}{name.upper()}": str(getattr(settings, name)) for name in names}
    return {**os.environ, **given, **ours}


def program(where: str, environ: dict[str, str]) -> list[str]:
    name, *arguments = own_commands()[where]
    if name == "python":
        given = own_services()["worker"]["environment"][OPERATIONS]  # a container's own; here it may be taken
        return [sys.executable, *(argument.replace(given, environ[OPERATIONS]) for argument in arguments)]
    return [sys.executable, "-m", "streams", *arguments]


def run(where: str, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(program(where, environ), env=environ, capture_output=True, text=True, timeout=60)


@contextlib.contextmanager
def running(where: str, environ: dict[str, str]) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(program(where, environ), env=environ, stdout=log, stderr=subprocess.STDOUT)
        try:
            yield process, log
        finally:
            process.kill()
            process.wait()


def wait_until_published(settings: Settings, process: subprocess.Popen[bytes], log: IO[bytes]) -> None:
    """Return once the worker owns its partitions and has published all there is: it then sets the epoch."""
    deadline = time.monotonic() + READY_TIMEOUT_S
    with redis.Redis.from_url(settings.redis) as client:
        while not client.exists(f"{settings.redis_prefix}epoch"):
            if process.poll() is not None or time.monotonic() > deadline:
                log.seek(0)
                pytest.fail(f"the worker is not ready (exit code {process.poll()}): {log.read().decode()[-3000:]}")
            time.sleep(0.05)


def wait_until_healthy(environ: dict[str, str]) -> None:
    """Ask as the container's engine does, again and again: what is published first is published before a commit."""
    deadline = time.monotonic() + READY_TIMEOUT_S
    while (health := run("worker healthcheck", environ)).returncode:
        assert time.monotonic() < deadline, health.stderr


@pytest.fixture
def deployed(settings: Settings) -> Settings:
    """Settings as compose has them, on this test's servers."""
    partitions = int(own_services()["worker"]["environment"][f"{PREFIX}PARTITIONS"])
    return dataclasses.replace(settings, partitions=partitions, operations=f"127.0.0.1:{free_port()}")


@pytest.mark.parametrize("token", ["", "a-token-of-operations"])
def test_topics_are_created_and_then_a_worker_runs_healthy_and_stops_on_sigterm(deployed: Settings, token: str) -> None:
    environ = environment(deployed)
    created = run("topics command", environment(deployed, "topics"))
    assert created.returncode == 0, created.stderr
    if token:
        environ[f"{OPERATIONS}_TOKEN"] = token
    with running("worker command", environ) as (process, log):
        wait_until_published(deployed, process, log)
        wait_until_healthy(environ)
        if token:
            refused = run("worker healthcheck", {**environ, f"{OPERATIONS}_TOKEN": "another"})
            assert "401" in refused.stderr
        process.send_signal(signal.SIGTERM)
        assert process.wait(STOP_TIMEOUT_S) == 0


def test_the_worker_of_compose_does_not_start_without_topics(deployed: Settings) -> None:
    refused = run("worker command", environment(deployed))
    assert refused.returncode == 78
    assert "`cloutstream topics create`" in refused.stderr


def test_the_image_alone_creates_its_topics_and_runs_a_worker(deployed: Settings) -> None:
    with running("Dockerfile CMD", environment(deployed)) as (process, log):
        wait_until_published(deployed, process, log)
        process.send_signal(signal.SIGTERM)
        assert process.wait(STOP_TIMEOUT_S) == 0


def test_the_health_check_fails_while_no_worker_answers_and_until_it_is_ready(deployed: Settings) -> None:
    environ = environment(deployed)
    assert run("worker healthcheck", environ).returncode != 0
    assert run("topics command", environment(deployed, "topics")).returncode == 0
    with running("worker command", environ) as (process, log):
        deadline = time.monotonic() + READY_TIMEOUT_S
        while "503" not in (said := run("worker healthcheck", environ).stderr):
            assert process.poll() is None, log
            assert time.monotonic() < deadline, said
        wait_until_published(deployed, process, log)
        wait_until_healthy(environ)
