"""The redis-server that the system has, in place of the embedded Valkey."""

from __future__ import annotations

import shutil

from streams.embedded import EmbeddedRedis
from streams.errors import ConfigurationError


class RedisServer(EmbeddedRedis):
    """A redis-server on a loopback port, with nothing on disk."""

    title = "redis-server"

    def binary(self) -> str:
        """Return the path of its program."""
        found = shutil.which("redis-server")
        if found is None:
            raise ConfigurationError("redis-server is not installed; run: apt-get install redis-server")
        return found
