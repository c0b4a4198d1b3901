"""What runs are played on: a broker, a Redis, topics filled once, and worker processes started and gone again."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import psutil
import redis
from kafka.errors import KafkaError
from numpy.typing import NDArray

from benchmarks.child import Child, program
from benchmarks.meter import Meter
from benchmarks.peers import job
from benchmarks.peers.log import Log
from benchmarks.peers.recount import Author, Recount
from benchmarks.peers.systems import SYSTEMS, System
from benchmarks.run import Figures, say
from streams.embedded import free_port
from streams.errors import CloutstreamError
from streams.kafka.clients import admin
from streams.replay.producing import Feed
from streams.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]
PARTITIONS = 4
BEFORE_LIMIT_S, FLOOR_LIMIT_S, SETTLE_S, LOOK_S = 60.0, 300.0, 30.0, 0.5
INPUT = {"message.timestamp.type": "LogAppendTime"}  # as our workers insist; the others don't look at it


@dataclass(frozen=True)
class Filled:
    """A topic with a log in it, how many records each partition has up to each mark, and what must come of it."""

    name: str
    log: Log
    placed: NDArray[np.int64]  # shape (STEPS + 1, partitions)
    expected: Mapping[str, Author]


@dataclass(frozen=True)
class Workers:
    """Running worker processes of a system."""

    children: Sequence[Child]
    meter: Meter

    @property
    def names(self) -> list[str]:
        """What the meter calls them."""
        return [f"worker-{i}" for i in range(len(self.children))]

    def check(self) -> None:
        """Do nothing while all run.

        Raises:
            CloutstreamError: one has ended.
        """
        for child in self.children:
            child.check()

    def check_metered(self) -> None:
        """Do nothing when all that works for them is metered.

        Raises:
            CloutstreamError: a worker has processes of its own, so its figures would be too good.
        """
        for child in self.children:
            if more := psutil.Process(child.pid).children(recursive=True):
                raise CloutstreamError(f"a worker has processes of its own, {more}, which aren't measured; expected none")

    def cpu_s(self, since_s: float, until_s: float) -> float:
        """Return the CPU seconds of all of them between two moments, epoch s."""
        return sum(self.meter.cpu_s(name, since_s, until_s) for name in self.names)

    def peak_rss_mb(self) -> float:
        """Return the sum of their largest resident memories, MB."""
        return sum(self.meter.peak_rss_bytes[name] for name in self.names) / 1e6


class Stage:
    """A broker and a Redis that are the benchmark's own: Redis is wiped before each run.

    Args:
        settings: where both are.
        client: of that Redis.
        pids: `broker` and `redis`, for the meter.
    """

    def __init__(self, settings: Settings, client: redis.Redis, pids: Mapping[str, int]) -> None:
        self.settings = replace(settings, partitions=PARTITIONS)
        self.client, self._pids = client, pids
        self._filled: dict[tuple[int, str], Filled] = {}
        self._numbers = itertools.count()

    def filled(self, events: int, system: System) -> Filled:
        """Return a topic with so many events, keyed as a system wants them; makes it on first use."""
        found = self._filled.get((events, system.keyed_by))
        if found is None:
            log = Log(events, PARTITIONS, system.keyed_by)
            say(f"filling a topic with {len(log)} records keyed by {system.keyed_by} ({log.source})")
            found = self._filled[events, system.keyed_by] = self._fill(log, system)
        return found

    def input(self, topic: str) -> Settings:
        """Return the settings with that input topic."""
        return replace(self.settings, input_topics=topic)

    def create(self, topic: str, configs: Mapping[str, str] | None = None) -> None:
        """Create a topic."""
        options = {"num_partitions": PARTITIONS, "replication_factor": 1, "configs": dict(configs or {})}
        with contextlib.closing(admin(self.settings)) as client:
            client.create_topics({topic: options}, timeout_ms=8_000)
            client.wait_for_topics([topic], timeout_ms=8_000)

    def new_name(self, name: str) -> str:
        """Return a name that wasn't used before on this stage."""
        return f"{name}-{next(self._numbers)}"

    def _fill(self, log: Log, system: System) -> Filled:
        topic = self.new_name("filled")
        self.create(topic, INPUT)
        recount = Recount(system.counts_oneself)
        placed = [np.zeros(PARTITIONS, dtype=np.int64)]

        async def send() -> None:
            held = placed[0]
            async with Feed(self.input(topic), topic) as feed:
                for records, is_marks in log.parts():
                    await feed.send(records.keys, records.values)
                    recount.add(records.values)
                    held = held + log.placed(records)
                    if is_marks:
                        placed.append(held)

        asyncio.run(send())
        return Filled(topic, log, np.stack(placed), recount.authors())

    @contextmanager
    def workers(self, system: System, topic: str, count: int, tick_s: float) -> Iterator[Workers]:
        """Run worker processes of a system on a topic; they, and all they made but what is in Redis, are gone at the end.

        Args:
            system: what to run. Redis is wiped before, and there is nothing to recover.
            topic: its input.
            count: how many processes, each with one thread of work.
            tick_s: `Deployment.tick_s`.
        """
        self.client.flushall()
        with ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="cloutstream-peer-", ignore_cleanup_errors=True))
            at = job.Deployment(
                kafka=self.settings.kafka, redis=self.settings.redis, topic=topic, partitions=PARTITIONS,
                group=self.new_name(f"peer-{system.name}"), folder=folder, tick_s=tick_s, workers=count,
            )  # fmt: skip
            stack.callback(self._delete_topics, at.group)
            for changelog in system.changelogs(at):
                self.create(changelog, {"cleanup.policy": "compact"})
            _run_before(system.before(at), at)
            port = free_ports(count)
            children = []
            for each in (replace(at, worker=i) for i in range(count)):
                log = stack.enter_context(tempfile.TemporaryFile())
                command, variables = system.command(each, port), system.variables(each, port)
                title = f"worker {each.worker} of {system.name}"
                running = program(title, command, _environ(each, variables), Path(folder), log)
                children.append(stack.enter_context(running))
            pids = {f"worker-{i}": child.pid for i, child in enumerate(children)}
            yield Workers(children, stack.enter_context(Meter({**pids, **self._pids})))

    def floor(self, name: str, events: int) -> Figures:
        """Return what a floor's program says, run on a topic of so many events keyed by author.

        Raises:
            CloutstreamError: it ended without a word, or took too long.
        """
        topic = self.filled(events, SYSTEMS["ours"]).name
        self.client.flushall()
        at = job.Deployment(
            kafka=self.settings.kafka, redis=self.settings.redis, topic=topic, partitions=PARTITIONS, group="floor", folder="",
            tick_s=0.0,
        )  # fmt: skip
        command = [sys.executable, "-m", "benchmarks.peers.programs.floors", name]
        with program(f"floor {name}", command, _environ(at, {})) as running:
            said: Figures = json.loads(running.line(FLOOR_LIMIT_S))
        return said

    def wait_right(self, system: System, expected: Mapping[str, Author], workers: Workers) -> None:
        """Wait until what is in Redis is right.

        Raises:
            CloutstreamError: it isn't within 30 s.
        """
        end_s = time.monotonic() + SETTLE_S
        while differences := system.differences(self.client, expected):
            workers.check()
            if time.monotonic() > end_s:
                raise CloutstreamError(f"what {system.name} left in Redis is wrong: {'; '.join(differences)}")
            time.sleep(LOOK_S)

    def _delete_topics(self, group: str) -> None:
        """Delete what a run left in Kafka, as far as the broker lets it: the disk is what it is for."""
        with contextlib.suppress(KafkaError), contextlib.closing(admin(self.settings)) as client:
            mine = [topic for topic in client.list_topics() if group in topic]
            if mine:
                client.delete_topics(mine, timeout_ms=8_000, raise_errors=False)


def free_ports(count: int) -> int:
    """Return the first of so many loopback ports in a row that nothing listens on."""
    while True:
        port = free_port()
        if all(_is_free(port + i) for i in range(1, count)):
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _environ(at: job.Deployment, more: Mapping[str, str]) -> dict[str, str]:
    ours = (PREFIX, job.VARIABLE, "PYTHON", "PATHWAY_", "BYTEWAX_", "Quix__")  # nobody's own may decide how a run ends
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {**kept, "PYTHONPATH": str(ROOT), **at.to_environ(), **more}


def _run_before(command: list[str], at: job.Deployment) -> None:
    if command:
        done = subprocess.run(command, env=_environ(at, {}), capture_output=True, text=True, timeout=BEFORE_LIMIT_S)
        if done.returncode:
            raise CloutstreamError(f"{' '.join(command[1:4])} failed; it said: {done.stderr[-500:].strip()}")
