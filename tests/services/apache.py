"""Apache Kafka without Docker: brokers as processes on loopback, in KRaft mode, each broker and controller in one.

Maven fetches the jars once, to `.services` in the checkout. A broker's log outlives a kill -9 of it, as its disk would; all is
gone with the cluster.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

from streams.embedded import EmbeddedServer, free_port
from streams.errors import ConfigurationError
from streams.kafka.probe import API_VERSIONS_REQUEST

HERE = Path(__file__).parent
JARS = HERE.parent.parent / ".services" / "kafka"
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
POM = HERE / "pom.xml"
_fetching = threading.Lock()
_CLUSTER_ID = "Cloutstream0000000TestA"[:22]
OLDEST_JAVA = 17
# Compiled once, roughly, and collected by one thread: of a broker that lives for minutes the better compiler and the collector's
# threads take 40 % of all CPU of a test.
_SHORT_LIVED = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")


def jars() -> Path:
    """Return the folder with the broker's jars; fetches them where they aren't yet.

    Raises:
        ConfigurationError: Java or Maven is missing, or Maven couldn't fetch them.
    """
    java()
    with _fetching:  # the brokers of a cluster start side by side
        if not _are_current():
            _fetch()
    return JARS


def _are_current() -> bool:
    stamp = JARS / POM.name
    return stamp.exists() and stamp.read_bytes() == POM.read_bytes()


def _fetch() -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise ConfigurationError("Maven is not installed, which fetches Apache Kafka; run: apt-get install maven")
    JARS.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=JARS.parent) as folder:
        fetched = Path(folder) / JARS.name
        command = [maven, "-q", "-B", "-f", str(POM), _COPY, "-DincludeScope=runtime", f"-DoutputDirectory={fetched}"]
        said = subprocess.run(command, capture_output=True, text=True, timeout=600)
        if said.returncode:
            raise ConfigurationError(f"Maven couldn't fetch Apache Kafka; it said: {said.stdout[-800:].strip()}")
        shutil.copy(POM, fetched)
        if not _are_current():  # another process may have been quicker
            shutil.rmtree(JARS, ignore_errors=True)
            fetched.rename(JARS)


def java() -> str:
    """Return the path of a Java that can run the broker.

    Raises:
        ConfigurationError: there is none, or only an older one.
    """
    found = shutil.which("java")
    said = subprocess.run([found, "-version"], capture_output=True, text=True).stderr if found else "nothing"
    version = re.search(r'version "(\d+)', said)
    if found is None or version is None or int(version[1]) < OLDEST_JAVA:
        raise ConfigurationError(f"Apache Kafka needs Java {OLDEST_JAVA} or newer, found {said.splitlines()[0]!r}; run: "
                                 f"apt-get install openjdk-{OLDEST_JAVA}-jre-headless")  # fmt: skip
    return found


class ApacheBroker(EmbeddedServer):
    """One node of a cluster; `address` is its plaintext listener.

    Args:
        node: its id, from 1.
        voters: host:port of every node's controller, by node.
        folder: where its log and configuration are.
        more: properties added to its configuration.
        scram_users: user -> password, for SASL/SCRAM.
        is_short_lived: whether it is for minutes, and how fast it is doesn't matter.
    """

    title = "Apache Kafka broker"
    start_timeout_s = 60.0

    def __init__(
        self,
        node: int,
        voters: dict[int, str],
        folder: Path,
        more: dict[str, str],
        scram_users: dict[str, str],
        *,
        is_short_lived: bool,
    ) -> None:
        super().__init__()
        self.port = free_port()
        self._configuration = folder / f"{node}.properties"
        self._folder, self._more, self._scram_users = folder / str(node), more, scram_users
        self._node, self._voters = node, voters
        self._options = ("-Xms256m", "-Xmx512m", *(_SHORT_LIVED if is_short_lived else ()))

    def command(self) -> list[str]:
        """Return its command line; on its first start its storage is formatted."""
        if not self._folder.exists():
            self._format()
        return [*self._java(*self._options), "kafka.Kafka", str(self._configuration)]

    def hello(self) -> bytes:
        """Return a request for its API versions."""
        return API_VERSIONS_REQUEST

    def _java(self, *options: str) -> list[str]:
        return [java(), *options, "-cp", f"{jars()}/*"]

    def _format(self) -> None:
        lines = [f"{name}={value}" for name, value in self._properties().items()]
        self._configuration.write_text("\n".join(lines) + "\n")
        users = [f"SCRAM-SHA-512=[name={user},password={password}]" for user, password in self._scram_users.items()]
        arguments = ["format", "-t", _CLUSTER_ID, "-c", str(self._configuration)]
        arguments += [part for user in users for part in ("--add-scram", user)]
        tool = [*self._java("-XX:TieredStopAtLevel=1"), "kafka.tools.StorageTool", *arguments]
        subprocess.run(tool, check=True, capture_output=True, timeout=120)

    def _properties(self) -> dict[str, str]:
        replicas = str(min(3, len(self._voters)))
        listeners = f"PLAINTEXT://{self.address},CONTROLLER://{self._voters[self._node]}"
        return {
            "process.roles": "broker,controller",
            "node.id": str(self._node),
            "controller.quorum.voters": ",".join(f"{node}@{at}" for node, at in self._voters.items()),
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            "listeners": ",".join(filter(None, [listeners, self._more.get("listeners")])),
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL,"
            "SASL_PLAINTEXT:SASL_PLAINTEXT",
            "log.dirs": str(self._folder),
            "auto.create.topics.enable": "false",
            "offsets.topic.replication.factor": replicas,
            "offsets.topic.num.partitions": "4",  # the default of 50 takes seconds to make
            "transaction.state.log.replication.factor": replicas,
            "transaction.state.log.min.isr": "1",
            "share.coordinator.state.topic.replication.factor": replicas,
            "share.coordinator.state.topic.min.isr": "1",
            "group.initial.rebalance.delay.ms": "0",  # the default of 3 s is for groups of many that start together
            "log.cleaner.dedupe.buffer.size": str(16 << 20),
            **{name: value for name, value in self._more.items() if name != "listeners"},
        }


class ApacheKafka:
    """A cluster of one or more brokers; a context manager that starts them and leaves nothing of them.

    Args:
        brokers: how many.
        more: properties added to each broker's configuration; `listeners` are added to its own.
        scram_users: user -> password, for SASL/SCRAM.
        folder: where the logs are made, such as a disk of its own; else among temporary files.
        is_short_lived: whether it is for minutes, and how fast it is doesn't matter.
    """

    def __init__(
        self,
        brokers: int = 1,
        more: dict[str, str] | None = None,
        scram_users: dict[str, str] | None = None,
        folder: Path | None = None,
        *,
        is_short_lived: bool = False,
    ) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="cloutstream-kafka-", dir=folder, ignore_cleanup_errors=True)
        voters = {node: f"127.0.0.1:{free_port()}" for node in range(1, brokers + 1)}
        logs = Path(self._folder.name)
        self.brokers = [
            ApacheBroker(node, voters, logs, more or {}, scram_users or {}, is_short_lived=is_short_lived) for node in voters
        ]

    @property
    def address(self) -> str:
        """The bootstrap servers."""
        return ",".join(broker.address for broker in self.brokers)

    def __enter__(self) -> Self:
        try:
            with ThreadPoolExecutor(len(self.brokers)) as side_by_side:  # one alone is no quorum and never gets ready
                list(side_by_side.map(lambda broker: broker.start(), self.brokers))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for broker in self.brokers:
            broker.stop()
        self._folder.cleanup()
