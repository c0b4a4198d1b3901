"""Real workers for tests: child processes that are started, killed, stopped and waited for by pid; and events to feed them."""

from __future__ import annotations

import asyncio
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count as counting
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import redis
from kafka.errors import KafkaError

from streams.errors import CloutstreamError, ServiceUnavailable
from streams.kafka.clients import admin
from streams.kafka.topics import create_topics, end_offsets
from streams.reader import Reader
from streams.replay.producing import Feed
from streams.replay.waiting import wait_until_published
from streams.settings import PREFIX, Settings
from streams.simulation import generate
from streams.verify import verify

ROOT = Path(__file__).parent.parent
READY_S, STOP_S = 40.0, 10.0
_LOG_SHOWN_BYTES = 6000
_DEFAULTS = Settings().to_environ()

# Ends the worker when the test process is killed; then becomes the worker, so that its pid and exit code are the child's.
_LAUNCH = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
os.execv(sys.executable, [sys.executable, "-m", "streams", *sys.argv[1:]])
"""


class Worker:
    """One `cloutstream worker` process, of the version in the folder `source`."""

    def __init__(self, settings: Settings, source: Path = ROOT) -> None:
        environ = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        self.source = source
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  # closed by `close`
        self._process = subprocess.Popen(
            [sys.executable, "-c", _LAUNCH, "worker"],
            cwd=source,
            # Those of another version don't know every setting; what is as by default needn't be told.
            env=environ | {name: value for name, value in settings.to_environ().items() if value != _DEFAULTS[name]},
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it hasn't ended."""
        return self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """What it ended with; None while it runs."""
        return self._process.poll()

    @property
    def owned(self) -> list[int]:
        """The partitions that it last said it is ready for."""
        said = re.findall(r"ready: partitions \[([\d, ]*)\]", self.log())
        return [int(p) for p in said[-1].split(",") if p.strip()] if said else []

    def log(self) -> str:
        """Return the end of what it printed."""
        self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, self._log.tell() - _LOG_SHOWN_BYTES))
        return self._log.read().decode(errors="replace")

    def url(self) -> str:
        """Return where it answers on its health and metrics, once it has said so."""
        deadline = time.monotonic() + READY_S
        while True:
            self._log.seek(0)
            found = re.search(r"health and metrics at (http://\S+)", self._log.read().decode(errors="replace"))
            if found:
                return found[1]
            self.check()
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.01)

    def ask(self, path: str, **headers: str) -> tuple[int, str]:
        """Return the status and the text that it answers with."""
        request = urllib.request.Request(self.url() + path, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as e:
            with e:
                return e.code, e.read().decode()

    def is_ready(self) -> bool:
        """Whether it says that it can work."""
        return self.ask("/readyz")[0] == 200

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def wait(self, timeout_s: float) -> int:
        """Return its exit code once it has ended; fail with its log when that takes longer."""
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"worker {self.pid} didn't end within {timeout_s:g} s; it said last:\n{self.log()}") from None

    def check(self) -> None:
        """Fail with the worker's log when it has ended by itself."""
        if not self.is_running:
            raise AssertionError(f"worker {self.pid} ended with {self._process.returncode}; it said last:\n{self.log()}")

    def kill(self) -> None:
        """Kill -9."""
        self.check()
        self._process.kill()
        self._process.wait(5)

    def stop(self) -> int:
        """SIGTERM; return the exit code 0, or fail with the log when it is another or takes longer than 10 s."""
        self.check()
        self.signal(signal.SIGTERM)
        code = self.wait(STOP_S)
        if code:
            raise AssertionError(f"worker {self.pid} ended with {code} after SIGTERM; it said last:\n{self.log()}")
        return code

    def close(self) -> None:
        """Leave nothing behind."""
        if self.is_running:
            self._process.kill()
        self._process.wait()
        self._log.close()


class Deployment:
    """The workers of one test, and what they publish."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.client = redis.Redis.from_url(settings.redis, socket_timeout=5)
        self.reader = Reader(settings, self.client)
        self.workers: list[Worker] = []
        self.source = ROOT  # of workers started from now on
        self._admin: Any = None

    def close(self) -> None:
        """Leave no worker and no connection behind."""
        for worker in self.workers:
            worker.close()
        self.client.close()
        self._forget_admin()

    def _forget_admin(self) -> None:
        if self._admin is not None:
            self._admin.close()
        self._admin = None

    def start(self) -> Worker:
        """Start one more worker."""
        worker = Worker(self.settings, self.source)
        self.workers.append(worker)
        return worker

    def check(self) -> None:
        """Fail when a worker that should run has ended."""
        for worker in self.workers:
            worker.check()

    def kill(self, worker: Worker) -> None:
        """Kill -9 a worker."""
        self.workers.remove(worker)
        worker.kill()
        worker.close()

    def stop(self, worker: Worker) -> int:
        """Stop a worker with SIGTERM; return its exit code."""
        code = worker.stop()
        self.workers.remove(worker)
        worker.close()
        return code

    def position(self) -> int:
        """Return how many input records are durably taken, as published; 0 while Redis is away or empty."""
        try:
            rows = self.reader.partition_stats().values()
        except ServiceUnavailable:
            return 0
        return sum(int(value) for row in rows for name, value in row.items() if name.startswith("position:"))

    def committed(self) -> dict[tuple[str, int], int]:
        """Return the consumer group's committed offset of each (topic, partition) that has one."""
        self._admin = self._admin or admin(self.settings)
        try:
            groups = self._admin.list_group_offsets(self.settings.app_id)
        except KafkaError:
            self._forget_admin()  # it would go on asking the broker that was the group's coordinator
            raise
        offsets = groups.get(self.settings.app_id, {})
        return {(tp.topic, tp.partition): at.offset for tp, at in offsets.items() if at.offset >= 0}

    def ends(self, topics: Sequence[str]) -> dict[tuple[str, int], int]:
        """Return the end of each (topic, partition)."""
        return {(topic, p): end for topic in topics for p, end in end_offsets(self.settings, topic).items()}

    def wait_until_committed(self, *topics: str, timeout_s: float = READY_S) -> None:
        """Wait until everything that is in `topics` now is committed; needs no Redis."""
        ends = self.ends(topics)

        def is_committed() -> bool:
            committed = self.committed()
            return all(committed.get(tp, 0) >= end for tp, end in ends.items())

        self.wait_for(is_committed, f"commit of all that was in {', '.join(topics)}", timeout_s)

    def stats(self) -> dict[str, int]:
        """Return the counts by outcome, all partitions together."""
        return dict(self.reader.stats().outcomes)

    def settle(self, idle_limit_s: float = READY_S) -> None:
        """Wait until everything sent is applied, durable and in Redis, and the boards are complete."""

        def look(_: object) -> None:
            self.check()

        try:
            wait_until_published(self.settings, self.client, on_progress=look, idle_limit_s=idle_limit_s)
            self.wait_for(self.reader.is_complete, "Redis complete")
        except Exception as e:
            e.add_note("".join(f"worker {w.pid} said last:\n{w.log()}" for w in self.workers))
            raise

    def wait_for(self, condition: Callable[[], object], what: str, timeout_s: float = READY_S) -> None:
        """Wait for a condition while the workers run."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            self.check()
            if time.monotonic() > deadline:
                raise AssertionError(
                    f"no {what} after {timeout_s:.0f} s" + "".join(f"\nworker {w.pid}:\n{w.log()}" for w in self.workers)
                )
            time.sleep(0.01)

    def assert_equal(self) -> Any:
        """Recount everything from Kafka and compare tables, dead letters and Redis with it; return the report."""
        report = verify(self.settings)
        said = "\n".join(report.lines()) + "".join(f"\nworker {w.pid} said last:\n{w.log()}" for w in self.workers)
        assert report.ok, said
        assert report.unapplied == 0, said
        return report


@contextmanager
def deployment(settings: Settings, workers: int = 0) -> Iterator[Deployment]:
    """Create the topics and run workers; none of them outlives the block."""
    create_topics(settings)
    running = Deployment(settings)
    try:
        for _ in range(workers):
            running.start()
        yield running
    finally:
        running.close()


class Record(NamedTuple):
    """What is sent: key and value."""

    key: bytes
    value: bytes | None


def send(settings: Settings, records: Sequence[Record], topic: str | None = None) -> None:
    """Send records and wait until Kafka has them."""

    async def run() -> None:
        async with Feed(settings, topic or settings.topic_names[0]) as feed:
            await feed.send([r.key for r in records], [r.value for r in records])  # type: ignore[misc]  # null on purpose

    asyncio.run(run())


class Load(threading.Thread):
    """Sends records at a steady rate from a thread of its own; `finish` waits for it, or sends the rest at once.

    A `patient` one goes on when Kafka comes back: what wasn't acknowledged is sent again, as a producer in earnest would. One of
    endless records sends `least` at least, and ends with `finish`.
    """

    def __init__(
        self, settings: Settings, records: Iterable[Record], rate_per_s: float, *, patient: bool = False, least: int | None = None
    ) -> None:
        super().__init__(daemon=True)
        self._settings, self._records, self._rate = settings, iter(records), rate_per_s
        self._patient, self._least = patient, least
        self._hurry = threading.Event()
        self._failure: BaseException | None = None
        self._part: list[Record] = []
        self.sent = 0
        self.start()

    def run(self) -> None:
        """Send."""
        try:
            asyncio.run(self._run())
        except BaseException as e:
            self._failure = e

    async def _run(self) -> None:
        begun = time.monotonic()
        while True:
            try:
                async with Feed(self._settings, self._settings.topic_names[0]) as feed:
                    await self._send(feed, begun)
                return
            except CloutstreamError:
                if not self._patient:
                    raise
                await asyncio.sleep(0.5)

    async def _send(self, feed: Feed, begun: float) -> None:
        step = max(1, int(self._rate * 0.02))
        while not (self._hurry.is_set() and self._least is not None and self.sent >= self._least):
            self._part = part = self._part or list(islice(self._records, step))
            if not part:
                return
            await feed.send([r.key for r in part], [r.value for r in part])  # type: ignore[misc]  # null on purpose
            await feed.dispatch()
            if self._patient:
                await feed.flush()
            self.sent, self._part = self.sent + len(part), []
            wait_s = begun + self.sent / self._rate - time.monotonic()
            if wait_s > 0 and not self._hurry.is_set():
                await asyncio.sleep(wait_s)

    @property
    def is_done(self) -> bool:
        """Whether everything was sent."""
        return not self.is_alive()

    def finish(self, *, hurry: bool = True, timeout_s: float = 120) -> None:
        """Return when Kafka has all; raises what went wrong."""
        if hurry:
            self._hurry.set()
        self.join(timeout_s)
        if self._failure is not None:
            raise self._failure
        assert not self.is_alive()


POISON = [
    b"no json",
    b"",
    b'{"id":',
    b'{"id":"x"}\n{"id":"y"}',
    b'{"id":"","kind":"like","actor":"a","author":"b","at":1}',
    b"\xff\xfe",
    b" ",
]
_encode = msgspec.json.encode
_EARLIER = 50_000  # records of which one may be sent again


def like(number: int, actor: str, author: str, at_s: float, kind: str = "like") -> Record:
    """Return an event with an id of its own."""
    event = {"id": f"like{number}", "kind": kind, "actor": actor, "author": author, "at": at_s}
    return Record(actor.encode(), _encode(event))


def lively_events(count: int, seed: int, start_s: float) -> list[Record]:
    """Return the first `count` records of `lively`."""
    return list(islice(lively(seed, start_s), count))


def lively(seed: int, start_s: float, *, poison: bool = True) -> Iterator[Record]:
    """Yield records for ever: a simulated network with undos and tags, 5 % sent twice, some poison and self-engagements."""
    chance, numbers = random.Random(seed), counting()
    earlier: list[Record] = []
    for batch in generate(3000, 5000.0, seed, start_s):
        for key, value in zip(batch.keys, batch.values, strict=True):
            record = Record(key, value)
            yield record
            if len(earlier) < _EARLIER:
                earlier.append(record)
            else:
                earlier[chance.randrange(_EARLIER)] = record
            drawn = chance.random()
            if drawn < 0.05:  # sent again at once, or much later
                yield record if drawn < 0.02 else chance.choice(earlier)
            elif drawn < 0.052 and poison:
                yield Record(key, chance.choice(POISON))
            elif drawn < 0.056:
                own = {
                    "id": f"self{seed}.{next(numbers)}",
                    "kind": "like",
                    "actor": key.decode(),
                    "author": key.decode(),
                    "at": start_s,
                }
                yield Record(key, _encode(own))
