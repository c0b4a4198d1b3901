"""The workers of one test and what they publish: started, waited for, and recounted."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import redis
from kafka.errors import KafkaError
from processes import READY_S, ROOT, Worker

from streams.errors import ServiceUnavailable
from streams.kafka.clients import admin
from streams.kafka.topics import create_topics, end_offsets
from streams.reader import Reader
from streams.replay.waiting import wait_until_published
from streams.settings import Settings
from streams.verify import verify

DIFFERS = "a recount gives other values"  # CI runs no test again that says so


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
        assert report.unapplied == 0, said
        assert report.ok, f"{DIFFERS}:\n{said}"
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
