"""The systems compared: what each is called, how a worker process of it is started, and what it leaves in Redis."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version

from benchmarks.peers import check, environments, job
from benchmarks.peers.log import ACTOR, AUTHOR
from benchmarks.peers.programs import ours
from streams.settings import Settings

PROGRAMS = "benchmarks.peers.programs"
FLOORS = ("fetch", "decode", "redis")  # of `programs.floors`
SNAPSHOT_S = 1  # Bytewax: whole seconds


def _nothing(_: job.Deployment) -> list[str]:
    return []


def _no_variables(*_: object) -> Mapping[str, str]:
    return {}


@dataclass(frozen=True)
class System:
    """One system.

    `command` and `variables` are of one worker process; they are given the first of as many free ports as there are workers, for
    those that talk to each other.
    """

    name: str
    title: str
    version: Callable[[], str]
    store: str  # where what must outlive the process is
    command: Callable[[job.Deployment, int], list[str]]
    variables: Callable[[job.Deployment, int], Mapping[str, str]] = _no_variables
    before: Callable[[job.Deployment], list[str]] = _nothing  # command that is run once before the workers
    changelogs: Callable[[job.Deployment], list[str]] = _nothing  # compacted topics that it wants to find
    keyed_by: str = AUTHOR
    score_key: str = job.SCORE
    counts_oneself: bool = True
    differences: check.Differences = field(default=check.common)


def _module(environment: str, program: str) -> Callable[[job.Deployment, int], list[str]]:
    return lambda at, port: [environments.python(environment), "-m", f"{PROGRAMS}.{program}"]


def _bytewax(at: job.Deployment, port: int) -> list[str]:
    command = [environments.python("bytewax"), "-m", "bytewax.run", f"{PROGRAMS}.bytewax:get_flow"]
    command += ["-r", at.folder, "-s", str(SNAPSHOT_S), "-b", "0"]  # nobody backs the folder up
    if at.workers > 1:
        addresses = ";".join(f"127.0.0.1:{port + worker}" for worker in range(at.workers))
        command += ["-i", str(at.worker), "-a", addresses]
    return command


def _bytewax_store(at: job.Deployment) -> list[str]:
    return [environments.python("bytewax"), "-m", "bytewax.recovery", at.folder, str(at.workers)]


def _pathway_variables(at: job.Deployment, port: int) -> Mapping[str, str]:
    """Return what `pathway spawn --processes N --threads 1` gives its processes; started here, each can be measured."""
    cluster = {"PROCESSES": at.workers, "PROCESS_ID": at.worker, "THREADS": 1, "FIRST_PORT": port, "RUN_ID": at.group}
    return {f"PATHWAY_{name}": str(value) for name, value in cluster.items()}


def _whole_variables(at: job.Deployment, _: int) -> Mapping[str, str]:
    settings = Settings(
        kafka=at.kafka, redis=at.redis, partitions=at.partitions, app_id=at.group, input_topics=at.topic, session_timeout_s=10.0,
        clock="event",
    )  # fmt: skip
    return settings.to_environ()


SYSTEMS = {
    system.name: system
    for system in (
        System("faust", "Faust", lambda: environments.version("faust", "faust-streaming"), "changelog topic",
               _module("faust", "faust")),
        System("quix", "Quix Streams", lambda: environments.version("quix", "quixstreams"), "RocksDB, changelog topic",
               _module("quix", "quix")),
        System("bytewax", "Bytewax", lambda: environments.version("bytewax", "bytewax"), "SQLite snapshots", _bytewax,
               before=_bytewax_store),
        System("pathway", "Pathway", lambda: environments.version("pathway", "pathway"), "input snapshot on disk",
               _module("pathway", "pathway"), _pathway_variables),
        System("kafka-streams", "Kafka Streams (Java)", lambda: environments.version("kafka-streams", "kafka-streams"),
               "changelog topic", lambda at, port: environments.kafka_streams()),
        System("ours", "Cloutstream's parts", lambda: version("cloutstream"), "changelog topic",
               lambda at, port: [sys.executable, "-m", f"{PROGRAMS}.ours"],
               changelogs=lambda at: [ours.changelog_topic(at.group)]),
        System("whole", "Cloutstream, everything on", lambda: version("cloutstream"), "two changelog topics",
               lambda at, port: [sys.executable, "-m", "streams", "worker"], _whole_variables, keyed_by=ACTOR,
               score_key="cs:score:account:", counts_oneself=False, differences=check.whole),
    )
}  # fmt: skip
