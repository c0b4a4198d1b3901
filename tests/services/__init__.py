"""The services that tests run on: embedded ones, Apache Kafka with one or three brokers, redis-server, or others by address."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from services.apache import ApacheKafka
from services.redis_server import RedisServer
from streams.embedded import EmbeddedBroker, EmbeddedRedis
from streams.kafka.clients import admin
from streams.settings import Settings

KAFKA = "embedded, apache, apache-3 or host:port[,host:port...]"
REDIS = "embedded, redis-server or a redis:// URL"
# What conftest.py runs them on.
TEST_KAFKA = os.environ.get("CLOUTSTREAM_TEST_KAFKA", "embedded")
TEST_REDIS = os.environ.get("CLOUTSTREAM_TEST_REDIS", "embedded")
_BROKERS = {"apache": 1, "apache-3": 3}
_SHARED = "CLOUTSTREAM_TEST_SHARED_KAFKA"
_SHARED_KAFKA = os.environ.get(_SHARED, "")  # in a process of a run of several: where their cluster is


@dataclass(frozen=True)
class Kafka:
    """A Kafka to test on: bootstrap servers, and how many replicas its topics get."""

    address: str
    replication: int = 1


def is_apache() -> bool:
    """Return whether the tests run on Apache Kafka: then another cluster can be run beside it."""
    return TEST_KAFKA in _BROKERS


@contextmanager
def kafka(name: str) -> Iterator[Kafka]:
    """Run the Kafka of that name (`KAFKA` lists them) for the block."""
    if name == "embedded":
        with EmbeddedBroker() as server:
            yield Kafka(server.address)
    elif name in _BROKERS:
        with ApacheKafka(_BROKERS[name], is_short_lived=True) as cluster:
            yield Kafka(cluster.address, _BROKERS[name])
    elif ":" in name:
        yield Kafka(name)
    else:
        raise ValueError(f"no Kafka {name!r} to test on; expected {KAFKA}")


@contextmanager
def kafka_of_all_processes() -> Iterator[None]:
    """Run one Kafka for the processes that are started within the block: three brokers each would be too many.

    Their environment says what they are to run on, and where that cluster is.
    """
    os.environ |= {"CLOUTSTREAM_TEST_KAFKA": TEST_KAFKA, "CLOUTSTREAM_TEST_REDIS": TEST_REDIS}
    if not is_apache():  # the embedded one of each process is theirs
        yield
        return
    with kafka(TEST_KAFKA) as cluster:
        os.environ[_SHARED] = f"{cluster.address} {cluster.replication}"
        yield


@contextmanager
def kafka_of_this_run() -> Iterator[Kafka]:
    """Give the Kafka that tests share: that of all processes, or one of this process's own."""
    if _SHARED_KAFKA:
        address, replication = _SHARED_KAFKA.split()
        yield Kafka(address, int(replication))
    else:
        with kafka(TEST_KAFKA) as cluster:
            yield cluster


def delete_topics(settings: Settings) -> None:
    """Delete a test's topics where many tests share a cluster: brokers take the more CPU the more partitions there are."""
    if is_apache():
        with contextlib.closing(admin(settings)) as client:
            names = [name for name in client.list_topics() if name.startswith(settings.app_id)]
            if names:
                client.delete_topics(names)


def new_redis(name: str) -> EmbeddedRedis:
    """Return a Redis of that name, not yet started; an address given from outside is nobody's to stop: then an embedded one."""
    if name == "redis-server":
        return RedisServer()
    if name == "embedded" or "://" in name:
        return EmbeddedRedis()
    raise ValueError(f"no Redis {name!r} to test on; expected {REDIS}")


@contextmanager
def redis_url(name: str) -> Iterator[str]:
    """Run the Redis of that name (`REDIS` lists them) for the block, and give its URL."""
    if "://" in name:
        yield name
        return
    with new_redis(name) as server:
        yield server.url


@contextmanager
def own_settings(**overrides: Any) -> Iterator[Settings]:
    """Give settings that point at a Kafka and a Redis of the caller's own, which know no topic yet."""
    name = TEST_KAFKA if ":" not in TEST_KAFKA else "embedded"  # at an address there are others
    with kafka(name) as cluster, new_redis(TEST_REDIS) as server:
        where = {"kafka": cluster.address, "replication": cluster.replication, "redis": server.url, "session_timeout_s": 6.0}
        yield Settings(**{**where, "partitions": 2, **overrides})
