"""What every test can ask for: a broker, a Redis, and settings of its own on both.

The services are embedded ones, started once a run. `CLOUTSTREAM_TEST_KAFKA` and `CLOUTSTREAM_TEST_REDIS` run the same tests on
others: those of tests/services by name (`make test-kafka`), or running ones by address, e.g. those of docker-compose.yml.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import ExitStack

import hypothesis
import pytest
import services

from streams.embedded import EmbeddedRedis
from streams.settings import PREFIX, Settings

# A developer's own deployment must not decide how a test ends, nor be written to by one; and the two variables above are
# no settings, which a process started by a test would refuse.
for _variable in [name for name in os.environ if name.startswith(PREFIX)]:
    del os.environ[_variable]

# No deadlines: the machine may be busy. In CI the same examples each time, so that a failure is the change's.
hypothesis.settings.register_profile("dev", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "dev")


def pytest_configure(config: pytest.Config) -> None:
    """Start what the processes of a run share (`-n`), before them."""
    if getattr(config.option, "numprocesses", None) and not hasattr(config, "workerinput"):
        shared = ExitStack()
        shared.enter_context(services.kafka_of_all_processes())
        config.add_cleanup(shared.close)


@pytest.fixture(scope="session")
def cluster() -> Iterator[services.Kafka]:
    """A Kafka, shared by all tests."""
    with services.kafka_of_this_run() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def broker(cluster: services.Kafka) -> str:
    """Its bootstrap servers."""
    return cluster.address


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """URL of a Redis, shared by all tests: `settings` gives each a key prefix of its own."""
    with services.redis_url(services.TEST_REDIS) as url:
        yield url


@pytest.fixture
def server() -> Iterator[EmbeddedRedis]:
    """A Redis of this test's own, which it may stop."""
    with services.new_redis(services.TEST_REDIS) as server:
        yield server


@pytest.fixture
def settings(cluster: services.Kafka, redis_url: str) -> Iterator[Settings]:
    """Settings of one test: topics, consumer group and Redis keys that no other test has."""
    name = f"t{uuid.uuid4().hex[:12]}"
    settings = Settings(
        kafka=cluster.address,
        redis=redis_url,
        app_id=name,
        input_topics=f"{name}-events",
        redis_prefix=f"{name}:",
        partitions=4,
        replication=cluster.replication,
        session_timeout_s=6.0,  # the embedded broker's group join takes half of it
    )
    yield settings
    services.delete_topics(settings)
