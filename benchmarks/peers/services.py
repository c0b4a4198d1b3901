"""Apache Kafka and redis-server as the tests run them (`tests/services`)."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "tests"))

from services.apache import ApacheKafka, java  # found by the line before
from services.redis_server import RedisServer

__all__ = ["ApacheKafka", "RedisServer", "java"]
