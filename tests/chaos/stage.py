"""Where faults are played: clusters made once, and for each fault settings, a Redis, supervised workers, a load and a watch."""

from __future__ import annotations

import contextlib
import random
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from harness import Deployment
from kafka.errors import KafkaError
from load import Load, Record, lively, send
from processes import Worker
from services.apache import ApacheKafka
from services.redis_server import RedisServer
from simulation.rates import times_of, wrong_rates

from chaos.row import Row
from chaos.watch import Watch
from streams.errors import CloutstreamError
from streams.kafka.topics import create_topics, read_topic
from streams.replay.waiting import wait_until_published
from streams.settings import Settings
from streams.tables.actor_rows import ActorRows
from streams.tables.states import ActorState
from streams.verify import verify
from streams.verify.forgotten import Forgotten

SESSION_S = 6.0
PATIENCE_S = 120.0
# A cleaner that looks often, and a disk that is checked: what takes hours in earnest must show itself here.
BROKER = {"log.cleaner.backoff.ms": "500", "log.retention.check.interval.ms": "1000"}


class Supervised(Deployment):
    """Workers under a supervisor: one that ends by itself is started again, and what it said is kept."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.ended_by_itself: list[tuple[int, str]] = []
        self._known: dict[tuple[str, int], int] = {}

    def check(self) -> None:
        """Start those again that have ended."""
        for at, worker in enumerate(self.workers):
            if worker.exit_code is not None:
                self.ended_by_itself.append((worker.exit_code, worker.log()))
                worker.close()
                self.workers[at] = Worker(self.settings, self.source)

    def committed(self) -> dict[tuple[str, int], int]:
        """Return what is committed, as far as Kafka could be asked."""
        with contextlib.suppress(KafkaError, CloutstreamError, OSError):
            self._known = super().committed()
        return self._known

    def surely_committed(self) -> dict[tuple[str, int], int]:
        """Return what is committed as soon as Kafka can tell it, never what was known before."""
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                return super().committed()
            except (KafkaError, CloutstreamError, OSError):
                if time.monotonic() > until:
                    raise
                self.pass_time(0.2)

    def ends(self, topics: Sequence[str]) -> dict[tuple[str, int], int]:
        """Return the ends as soon as Kafka can tell them: after it was away it knows of no broker for a moment."""
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                return super().ends(topics)
            except CloutstreamError:
                if time.monotonic() > until:
                    raise
                self.pass_time(0.2)

    def pass_time(self, seconds: float) -> None:
        """Let time pass, as a supervisor."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.check()
            time.sleep(min(left, 0.05))

    def all_owned(self) -> bool:
        """Return whether each partition is owned by exactly one worker."""
        return sorted(p for worker in self.workers for p in worker.owned) == list(range(self.settings.partitions))


@dataclass
class Stage:
    """What a fault is given."""

    seed: int
    is_long: bool
    stack: ExitStack
    _clusters: dict[int, ApacheKafka] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)

    def pick(self, long: int, short: int) -> int:
        """Return a size for the form that is run."""
        return long if self.is_long else short

    def kafka(self, brokers: int = 1) -> ApacheKafka:
        """Return the cluster of so many brokers."""
        if brokers not in self._clusters:
            self._clusters[brokers] = self.stack.enter_context(ApacheKafka(brokers, BROKER, is_short_lived=not self.is_long))
        return self._clusters[brokers]

    @contextmanager
    def scene(self, row: Row, kafka: ApacheKafka | None = None, **overrides: Any) -> Iterator[Scene]:
        """Give topics, a Redis and workers of this fault's own; at the end of the block they are gone."""
        cluster = kafka or self.kafka()
        name = f"f{uuid.uuid4().hex[:10]}"
        with RedisServer() as server:
            known = {
                "kafka": cluster.address, "redis": server.url, "app_id": name, "input_topics": f"{name}-events",
                "partitions": 4, "replication": len(cluster.brokers), "session_timeout_s": SESSION_S,
            }  # fmt: skip
            settings = Settings(**{**known, **overrides})
            create_topics(settings)
            running, watch = Supervised(settings), Watch(settings)
            try:
                yield Scene(row, settings, running, watch, cluster, server)
            finally:
                watch.close()
                running.close()


@dataclass
class Scene:
    """One fault's deployment under load."""

    row: Row
    settings: Settings
    running: Supervised
    watch: Watch
    kafka: ApacheKafka
    server: RedisServer
    load: Load | None = None
    acknowledged: int = 0  # records that Kafka has, but for those of the load under way
    recounts_actors: bool = True  # how busy they are, too
    _events: Iterator[Record] = field(default_factory=lambda: iter(()))

    def begin(self, least: int, rate_per_s: float, *, workers: int = 1, events: Iterable[Record] | None = None) -> None:
        """Start workers and a load of at least so many events, and return when they work."""
        for _ in range(workers):
            self.running.start()
        self._events = iter(events or lively(self.row.seed, time.time() - 86_400))
        self.send(list(islice(self._events, 200)))
        self.running.wait_for(lambda: self.running.all_owned() and self.done() > 0, "start", PATIENCE_S)
        self.go_on(least, rate_per_s)
        self.running.pass_time(1.0)
        self.watch.begin()

    def send(self, records: Sequence[Record]) -> None:
        """Send records, and return when Kafka has them."""
        send(self.settings, records)
        self.acknowledged += len(records)

    def go_on(self, least: int, rate_per_s: float) -> None:
        """Start a load of what comes next: at first, or after an end."""
        self.load = Load(self.settings, self._events, rate_per_s, patient=True, least=least)

    def done(self) -> int:
        """Return how many input records are committed, as far as Kafka could be asked."""
        return self._done(self.running.committed())

    def surely_done(self) -> int:
        """Return how many input records are committed, as soon as Kafka can tell it."""
        return self._done(self.running.surely_committed())

    def _done(self, committed: dict[tuple[str, int], int]) -> int:
        return sum(offset for (topic, _), offset in committed.items() if topic in self.settings.topic_names)

    def until_moving(self) -> None:
        """Return when something more is committed."""
        before = self.done()
        self.running.wait_for(lambda: self.done() > before, "progress", PATIENCE_S)

    def until_recovered(self, since_s: float) -> float:
        """Return when all that is sent by now is committed; the seconds since `since_s` count as the recovery."""
        self.running.wait_until_committed(*self.settings.topic_names, self.settings.engagements_topic, timeout_s=PATIENCE_S)
        return self._took(since_s)

    def until_published(self, since_s: float) -> float:
        """As `until_recovered`, but in Redis, and with complete boards."""
        self.settle()
        return self._took(since_s)

    def _took(self, since_s: float) -> float:
        took_s = time.monotonic() - since_s
        self.row.recovered(took_s)
        return took_s

    def end(self) -> None:
        """Send the rest, let everything settle, recount, and note what the recount and the watch found."""
        self.row.paused(self.watch.worst_pause_s)
        self.end_load()
        self.settle()
        self.recount()

    def end_load(self) -> None:
        """Send the rest of the load, where one is under way."""
        if self.load:
            assert not self.load.is_done, "the load ended before the fault did: it shows nothing"
            self.load.finish(timeout_s=600)
            self.acknowledged += self.load.sent
            self.load = None

    def settle(self) -> None:
        """Wait until everything sent is applied, durable and in Redis, with complete boards."""

        def look(_: object) -> None:
            self.running.check()

        wait_until_published(self.settings, self.running.client, on_progress=look, idle_limit_s=PATIENCE_S)
        self.running.wait_for(self.running.reader.is_complete, "complete boards", PATIENCE_S)

    def recount(self) -> None:
        """Compare everything with a recount from Kafka."""
        report = verify(self.settings)
        row = self.row
        row.events += report.events
        row.lost += report.lost
        row.doubled += report.doubled
        if report.events < self.acknowledged:
            row.lost += self.acknowledged - report.events
            row.wrong.append(f"{self.acknowledged:,} records were acknowledged; {report.events:,} are in the input")
        row.is_unequal |= not report.ok or report.events < self.acknowledged
        row.wrong += report.notes  # what wasn't compared
        if not report.ok:
            row.wrong += [str(mismatch) for mismatch in report.mismatches[:5]]
            row.wrong.append(f"{report.mismatch_count:,} values differ")
        if self.recounts_actors:
            self._recount_actors()

    def _recount_actors(self) -> None:
        """Compare how busy the actors are, as a worker would recover it, with the input."""
        (topic,) = self.settings.topic_names
        times = times_of(read_topic(self.settings, topic), Forgotten())
        table = ActorRows(self.settings.topic_names)
        for p in range(self.settings.partitions):
            records = list(read_topic(self.settings, self.settings.actors_changelog, [p]))
            ActorState(table, p).load([r.key or b"" for r in records], [r.value for r in records])
        wrong = [said for p in range(self.settings.partitions) for said in wrong_rates(table, p, times)]
        self.row.at_least("actors recounted", sum(len(table.live_of(p)) for p in range(self.settings.partitions)), 1)
        self.row.is_unequal |= bool(wrong)
        self.row.wrong += wrong[:5]


Fault = Callable[[Stage, Row], None]
