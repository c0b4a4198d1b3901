"""Every command and program of the README, run as it stands there, on a real broker and Redis with a worker."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis
import services

from streams.kafka.clients import producer
from streams.replay.waiting import wait_until_published
from streams.settings import PREFIX, Settings
from tests import readme
from tests.deployment import own_services

READY_S, RUN_S = 40.0, 90.0

# Run by CI on a clean clone (`.ci/run`), or by tests of their own; tests/unit/test_readme.py checks that the targets exist.
SET_UP = ["make demo", "make setup", ". .venv/bin/activate", "make bench", "make test", "make check"]
SET_UP += ["make test-kafka", "make faults ARGS=--short"]
# tests/integration/test_deployment.py runs what these run, without Docker.
DOCKER = [
    "docker compose up --build --detach",
    "docker compose up --detach --scale worker=4",
    "docker compose run --rm worker cloutstream top",
    "git pull && docker compose up --build --detach",
]
WORKER = "cloutstream worker"  # runs behind all the others
# These end when they are told to; what they must have printed until then.
ENDLESS = {
    "cloutstream alerts follow": r"account:\S+ went over 10",
    "cloutstream dashboard": r"dashboard at http://127\.0\.0\.1:\d+",
    "cloutstream watch": r"(?m)^ +1 .*\d\.\d",
    "redis-cli SUBSCRIBE cs:changes": '"before"',
}
# tests/end_to_end/test_networks.py runs it against a host on loopback.
NETWORK = "cloutstream ingest bluesky --embedded"
EXAMPLE_COORDINATE = "events[3]@1234"

LINES = [line for block in readme.blocks("sh") for line in block.splitlines()]
# tests/unit/test_readme.py checks them.
EXPORTS = [line for line in LINES if line.startswith(f"export {PREFIX}")]
TO_RUN = [line for line in LINES if line not in (*SET_UP, *DOCKER, *EXPORTS, WORKER, NETWORK, *ENDLESS)]
SEND, _, READ, _VERIFY, FOLLOW = readme.blocks("python")
NOTHING_FOUND = ["no score is kept", "nobody is on this board", "(empty array)", "(nil)", "no dead letters"]

HIGGS = "1 2 1341100972 RT\n3 2 1341100973 RT\n1 2 1341100974 MT\n2 1 1341100975 RE\n"

# For machines without the Redis tools: sends the words to the server and prints what comes back.
REDIS_CLI = """\
import os, sys, redis
connection = redis.Redis.from_url(os.environ["CLOUTSTREAM_REDIS"], protocol=2).connection_pool.get_connection()
connection.send_command(*sys.argv[1:])
while True:
    answer = connection.read_response(timeout=None, disconnect_on_error=False)
    for part in answer if isinstance(answer, list) else [answer]:
        print(part.decode() if isinstance(part, bytes) else part, flush=True)
    if answer in ([], None):
        print("(empty array)" if answer == [] else "(nil)")
    if sys.argv[1].upper() != "SUBSCRIBE":
        break
"""


@dataclass
class Place:
    """Where the README's commands run: a directory, and an environment in which its addresses are this test's servers."""

    settings: Settings
    folder: Path
    environ: dict[str, str]

    def run(self, line: str) -> str:
        """Run one line as a shell does; return what it printed."""
        return self.execute("bash", "-c", line)

    def execute(self, *command: str) -> str:
        """Run a command; return what it printed."""
        ended = subprocess.run(
            command, cwd=self.folder, env=self.environ, capture_output=True, text=True, timeout=RUN_S, check=False
        )
        assert ended.returncode == 0, f"{command} ended with {ended.returncode}: {ended.stdout[-2000:]}{ended.stderr[-2000:]}"
        return ended.stdout

    @contextlib.contextmanager
    def running(self, *command: str) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
        """Run a command in the background; gives the process and the file it prints to."""
        with tempfile.NamedTemporaryFile(dir=self.folder) as out:
            process = subprocess.Popen(command, cwd=self.folder, env=self.environ, stdout=out, stderr=subprocess.STDOUT)
            try:
                yield process, Path(out.name)
            finally:
                process.kill()
                process.wait()

    def program(self, source: str) -> str:
        """Return a program of the README with its addresses replaced by this test's."""
        for example, ours in (("127.0.0.1:9092", self.settings.kafka), ("redis://127.0.0.1:6379/0", self.settings.redis)):
            source = source.replace(f'"{example}"', f'"{ours}"')
        assert not re.search(r"127\.0\.0\.1:(9092|6379)", source)
        return source

    def settle(self) -> None:
        """Wait until everything sent is in Redis."""
        with redis.Redis.from_url(self.settings.redis) as client:
            wait_until_published(self.settings, client)


def expect(process: subprocess.Popen[bytes], out: Path, pattern: str) -> None:
    """Wait until the process has printed `pattern`."""
    deadline = time.monotonic() + READY_S
    while not re.search(pattern, said := out.read_text(errors="replace")):
        assert process.poll() is None, f"ended with {process.returncode}: {said[-2000:]}"
        assert time.monotonic() < deadline, f"no {pattern!r} after {READY_S:.0f} s: {said[-2000:]}"
        time.sleep(0.05)


def tools(folder: Path) -> Path:
    """Return a directory with `cloutstream`, installed or not, and `redis-cli` with this test's server as its default."""
    folder.mkdir()
    (folder / "cloutstream").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m streams "$@"\n')
    if real := shutil.which("redis-cli") or shutil.which("valkey-cli"):
        (folder / "redis-cli").write_text(f'#!/bin/sh\nexec "{real}" -u "$CLOUTSTREAM_REDIS" "$@"\n')
    else:
        (folder / "redis_cli.py").write_text(REDIS_CLI)
        (folder / "redis-cli").write_text(f'#!/bin/sh\nexec "{sys.executable}" "{folder}/redis_cli.py" "$@"\n')
    for name in ("cloutstream", "redis-cli"):
        (folder / name).chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A deployment with the README's own names and defaults, a worker, a few thousand events and one dead letter."""
    assert WORKER in LINES
    folder = tmp_path_factory.mktemp("readme")
    (folder / "higgs-activity_time.txt.gz").write_bytes(gzip.compress(HIGGS.encode()))
    # The embedded broker's group join takes half the session timeout; all else is as by default.
    with services.own_settings(partitions=8) as settings:
        ours = {
            "KAFKA": settings.kafka,
            "REDIS": settings.redis,
            "SESSION_TIMEOUT_S": "6",
            "REPLICATION": str(settings.replication),
            "DASHBOARD": "127.0.0.1:0",
        }
        environ = {**os.environ, **{PREFIX + name: value for name, value in ours.items()}, "PYTHONPATH": str(readme.ROOT)}
        environ["PATH"] = f"{tools(folder / 'bin')}:{environ['PATH']}"
        place = Place(settings, folder, environ)
        with place.running("bash", "-c", f"exec {WORKER}") as (worker, log), redis.Redis.from_url(settings.redis) as client:
            deadline = time.monotonic() + READY_S
            while not client.exists("cs:epoch"):
                assert worker.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.05)
            place.execute(sys.executable, "-c", place.program(SEND))
            place.run("cloutstream simulate --seconds 3 --accounts 1000")
            with contextlib.closing(producer(settings)) as sender:
                sender.send("events", b"no event", partition=3).get(10)
            place.settle()
            yield place
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(READY_S) == 0, log.read_text()


def test_what_others_run_is_in_the_readme_and_nothing_else_is_left_out() -> None:
    assert [line for line in (*SET_UP, *DOCKER, WORKER, NETWORK, *ENDLESS) if line not in LINES] == []
    assert [line for line in TO_RUN if line.split()[0] not in ("cloutstream", "redis-cli")] == []
    assert len(TO_RUN) > 15
    for line in DOCKER:
        assert line.removeprefix("git pull && ").split()[:3] in (["docker", "compose", "up"], ["docker", "compose", "run"])
        assert "worker" in own_services()


@pytest.mark.parametrize("line", TO_RUN)
def test_a_command_runs_and_prints_something(line: str, place: Place) -> None:
    place.settle()
    if EXAMPLE_COORDINATE in line:
        (letter,) = json.loads(place.run("cloutstream dead-letters list --json"))
        line = line.replace(EXAMPLE_COORDINATE, letter["newest"])
    said = place.run(line)
    assert said.strip()
    assert [words for words in NOTHING_FOUND if words in said] == []


@pytest.mark.parametrize("line", ENDLESS)
def test_a_command_without_an_end_shows_what_happens_and_ends_on_ctrl_c(line: str, place: Place) -> None:
    load = ["bash", "-c", "exec cloutstream simulate --accounts 1000 --rate 200 --seed 2"]
    with place.running("bash", "-c", f"exec {line}") as (process, out), place.running(*load):
        expect(process, out, ENDLESS[line])
        process.send_signal(signal.SIGINT)
        process.wait(10)
        # Ended is what a server is meant to be; what was still going to say something was interrupted.
        assert process.returncode == (0 if line == "cloutstream dashboard" else 130) or not line.startswith("cloutstream")


def test_what_the_example_sends_is_scored(place: Place) -> None:
    found = json.loads(place.run("cloutstream score ann --json"))
    assert (found["posts"], found["likes"]) == (1, 1)
    assert found["score"] > 1


def test_the_example_that_reads_prints_the_leaders(place: Place) -> None:
    said = place.execute(sys.executable, "-c", place.program(READ))
    assert re.search(r"^1 \S+ \d+\.\d ± \d\.\d\n(\d .*\n){2}sure .*: \d+%$", said, re.MULTILINE), said


def test_the_example_that_follows_changes_tells_of_jumps(place: Place) -> None:
    with place.running(sys.executable, "-c", place.program(FOLLOW)) as (process, out):
        expect(process, out, r"account:\S+ jumped from \d+\.\d to \d+\.\d: \S+ \((like|share|reply)\)")


def test_the_example_of_a_change_has_the_fields_of_one(place: Place) -> None:
    (example,) = [json.loads(block) for block in readme.blocks("json") if '"after"' in block]
    kinds = {kind.strip("` ") for row in readme.table("Reason, its `kind`") for kind in row[0].split(",")}
    with redis.Redis.from_url(place.settings.redis) as client:
        entries = [entry for p in range(8) for entry in client.xrange(f"cs:changes:{p}", count=50)]
    for _, fields in entries:
        change = json.loads(fields[b"json"])
        assert list(change) == list(example)
        keys = {key for cause in change["causes"] for key in cause}
        assert keys <= {"kind", "actor", "points", "count", "counted", "damped_by"}
        assert {cause["kind"] for cause in change["causes"]} <= kinds
        assert abs(change["after"] - change["before"] - sum(cause["points"] for cause in change["causes"])) < 1e-9


def test_the_table_of_keys_has_all_that_is_in_redis_and_no_more(place: Place) -> None:
    types = {readme.code(row[0]): {"sorted set": "zset"}.get(row[1], row[1]) for row in readme.table("Key")}
    patterns = {key: ".+".join(map(re.escape, re.split(r"<\w+>", key))) for key in types}
    with redis.Redis.from_url(place.settings.redis, decode_responses=True) as client:
        keys = [key for key in client.scan_iter(count=1000) if not key.startswith(("cs:rebuild:", "cs:build:"))]
        for key, pattern in patterns.items():
            found = [k for k in keys if re.fullmatch(pattern, k)]
            assert found, key
            assert {client.type(k) for k in found} == {types[key]}, key
    assert [key for key in keys if not any(re.fullmatch(p, key) for p in patterns.values())] == []
