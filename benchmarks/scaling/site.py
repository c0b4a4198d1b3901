"""Apache Kafka and redis-server with Cloutstream's topics, and worker processes on them.

Kafka is on disk, as at work, and so has room for millions of accounts; both share the machine with the workers.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from benchmarks.peers.services import JOIN_TOGETHER, ApacheKafka, RedisServer
from benchmarks.servers import Servers
from streams.kafka.clients import admin, reaching_kafka
from streams.kafka.topics import create_topics, topic_specs
from streams.redis.client import session
from streams.settings import Settings
from streams.worker_process import worker_process


@dataclass(frozen=True)
class Workers:
    """Running worker processes: `pids` by name, and `check`, which raises when one has ended."""

    pids: Mapping[str, int]
    check: Callable[[], None]


@contextmanager
def site(partitions: int, broker: Mapping[str, str] | None = None, topics: Mapping[str, str] | None = None) -> Iterator[Servers]:
    """Run both, with empty topics; nothing of them is left at the end of the block.

    Args:
        partitions: of every topic.
        broker: properties added to the broker's.
        topics: properties that compacted topics get instead of their own.
    """
    with ApacheKafka(more={**JOIN_TOGETHER, **(broker or {})}) as cluster, RedisServer() as server:
        settings = Settings(kafka=cluster.address, redis=server.url, partitions=partitions, session_timeout_s=10.0)
        specs = [
            replace(spec, configs={**spec.configs, **(topics or {})}) if spec.is_compacted else spec
            for spec in topic_specs(settings)
        ]
        create_topics(settings, specs)
        with session(settings) as client:
            yield Servers(settings, client, cluster.brokers[0].pid, server.pid)


@contextmanager
def workers(settings: Settings, count: int) -> Iterator[Workers]:
    """Run so many worker processes; they end in order at the end of the block."""
    with ExitStack() as stack:
        running = [stack.enter_context(worker_process(settings)) for _ in range(count)]

        def check() -> None:
            for worker in running:
                worker.check()

        yield Workers({f"worker-{i}": worker.pid for i, worker in enumerate(running)}, check)


def kept_bytes(settings: Settings) -> dict[str, int]:
    """Return topic -> bytes of its records on the broker's disk, as the broker says."""
    with contextlib.closing(admin(settings)) as client, reaching_kafka(settings):
        answers = client.describe_log_dirs()
    found: dict[str, int] = {}
    for answer in answers:
        for folder in answer["log_dirs"]:
            for topic in folder["topics"]:
                sizes = sum(partition["partition_size"] for partition in topic["partitions"])
                found[topic["name"]] = found.get(topic["name"], 0) + sizes
    return found
