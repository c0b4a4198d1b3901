"""Apache Kafka and redis-server as the tests run them (`tests/services`)."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "tests"))

from services.apache import ApacheKafka, java  # found by the line before
from services.redis_server import RedisServer

__all__ = ["JOIN_TOGETHER", "ApacheKafka", "RedisServer", "java"]

# Kafka's own default, which the tests do without: workers that start together join together, instead of the first having all to
# itself until the second comes. What isn't committed by then, some systems count twice.
JOIN_TOGETHER = {"group.initial.rebalance.delay.ms": "3000"}
