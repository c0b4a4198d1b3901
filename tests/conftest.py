"""What every test can ask for: a broker, a Redis, and settings of its own on both.

The services are embedded ones, started once a run. `CLOUTSTREAM_TEST_KAFKA=host:port` and
`CLOUTSTREAM_TEST_REDIS=redis://...` run the same tests on others, e.g. those of docker-compose.yml.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator

import hypothesis
import pytest

from streams.embedded import EmbeddedBroker, EmbeddedRedis
from streams.settings import PREFIX, Settings

OUTSIDE_KAFKA = os.environ.get(f"{PREFIX}TEST_KAFKA")
OUTSIDE_REDIS = os.environ.get(f"{PREFIX}TEST_REDIS")

# A developer's own deployment must not decide how a test ends, nor be written to by one; and the two variables above are
# no settings, which a process started by a test would refuse.
for _variable in [name for name in os.environ if name.startswith(PREFIX)]:
    del os.environ[_variable]

# No deadlines: the machine may be busy. In CI the same examples each time, so that a failure is the change's.
hypothesis.settings.register_profile("dev", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "dev")


@pytest.fixture(scope="session")
def broker() -> Iterator[str]:
    """Bootstrap server of a Kafka broker, shared by all tests."""
    if OUTSIDE_KAFKA:
        yield OUTSIDE_KAFKA
        return
    with EmbeddedBroker() as server:
        yield server.address


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """URL of a Redis, shared by all tests: `settings` gives each a key prefix of its own."""
    if OUTSIDE_REDIS:
        yield OUTSIDE_REDIS
        return
    with EmbeddedRedis() as server:
        yield server.url


@pytest.fixture
def settings(broker: str, redis_url: str) -> Settings:
    """Settings of one test: topics, consumer group and Redis keys that no other test has."""
    name = f"t{uuid.uuid4().hex[:12]}"
    return Settings(
        kafka=broker,
        redis=redis_url,
        app_id=name,
        input_topics=f"{name}-events",
        redis_prefix=f"{name}:",
        partitions=4,
        session_timeout_s=6.0,  # the embedded broker's group join takes half of it
    )
