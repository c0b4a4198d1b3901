"""A Redis client that answers or gives up within seconds, and errors that name the server without its password."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import redis
import redis.asyncio as aredis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import ExponentialBackoff
from redis.exceptions import AuthenticationError, AuthorizationError, BusyLoadingError, ConnectionError, TimeoutError
from redis.retry import Retry

from streams.errors import ConfigurationError, ServiceUnavailable
from streams.settings import Settings

CONNECT_TIMEOUT_S = 2.0
SOCKET_TIMEOUT_S = 4.0  # and once more on the retry: a command that finds Redis silent says so within 10 s
# redis-py's own defaults (ten retries of five seconds) can hold one call for a minute. Retrying is safe: all writes are absolute.
RETRIES = 1
_BACKOFF = ExponentialBackoff(cap=0.5, base=0.1)
_TIMEOUTS: dict[str, Any] = {"socket_connect_timeout": CONNECT_TIMEOUT_S, "socket_timeout": SOCKET_TIMEOUT_S}


def address(url: str) -> str:
    """Return `url` without user, password and query, as it may stand in a message.

    >>> address("redis://user:secret@db.example:6380/1?protocol=3")
    'redis://db.example:6380/1'
    """
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def connect(settings: Settings) -> redis.Redis:
    """Return a client that has answered a ping. Replies are bytes.

    Raises:
        ConfigurationError: the URL can't be used, or the server refused the user or password.
        ServiceUnavailable: nothing answers there.
    """
    with _usable(settings):
        client = redis.Redis.from_url(settings.redis, retry=Retry(_BACKOFF, RETRIES), **_TIMEOUTS)
        client.connection_pool.make_connection()  # an unknown option in the URL shows itself only here
    with reaching_redis(settings):
        client.ping()
    return client


async def connect_async(settings: Settings) -> aredis.Redis:
    """Return a client for asyncio that has answered a ping. Replies are bytes.

    Raises:
        ConfigurationError: the URL can't be used, or the server refused the user or password.
        ServiceUnavailable: nothing answers there.
    """
    with _usable(settings):
        client: Any = aredis.Redis.from_url(settings.redis, retry=AsyncRetry(_BACKOFF, RETRIES), **_TIMEOUTS)
        client.connection_pool.make_connection()
    with reaching_redis(settings):
        await client.ping()
    connected: aredis.Redis = client
    return connected


@contextmanager
def _usable(settings: Settings) -> Iterator[None]:
    """Turn what a client says to a URL that it can't use into the error that names the setting."""
    try:
        yield
    except (ValueError, TypeError) as e:
        raise ConfigurationError(
            f"CLOUTSTREAM_REDIS can't be used: {address(settings.redis)}: {e}; expected redis://[user:password@]host[:port][/db]"
        ) from None


def require_bytes(client: redis.Redis | aredis.Redis) -> None:
    """Do nothing when a client's replies are bytes.

    Raises:
        ValueError: they are decoded.
    """
    if client.connection_pool.connection_kwargs.get("decode_responses"):
        raise ValueError("the client has decode_responses=True; expected one whose replies are bytes, as they are by default")


@contextmanager
def reaching_redis(settings: Settings) -> Iterator[None]:
    """Turn a lost connection inside the block into the error that ends a command with the right exit code.

    Raises:
        ConfigurationError: the server refused the user or password.
        ServiceUnavailable: the server can't be reached, or is loading its data.
    """
    try:
        yield
    except (AuthenticationError, AuthorizationError) as e:
        raise ConfigurationError(
            f"Redis at {address(settings.redis)} refused the user or password: {e}; set them in CLOUTSTREAM_REDIS "
            "(redis://user:password@host:port)"
        ) from e
    except (ConnectionError, TimeoutError, BusyLoadingError) as e:
        raise ServiceUnavailable("Redis", address(settings.redis), str(e).rstrip(".")) from e


@contextmanager
def session(settings: Settings) -> Iterator[redis.Redis]:
    """Give a connected client, translate its errors as `reaching_redis` does, and close it at the end."""
    client = connect(settings)
    try:
        with reaching_redis(settings):
            yield client
    finally:
        client.close()
