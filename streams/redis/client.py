"""A Redis client that answers or gives up within seconds, and errors that name the server without its password."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import redis
from redis.backoff import ExponentialBackoff
from redis.exceptions import AuthenticationError, AuthorizationError, BusyLoadingError, ConnectionError, TimeoutError
from redis.retry import Retry

from streams.errors import ConfigurationError, ServiceUnavailable
from streams.settings import Settings

CONNECT_TIMEOUT_S = 2.0
SOCKET_TIMEOUT_S = 4.0  # and once more on the retry: a command that finds Redis silent says so within 10 s
# redis-py's own defaults (ten retries of five seconds) can hold one call for a minute. Retrying is safe: all writes are absolute.
RETRIES = 1


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
    try:
        client = redis.Redis.from_url(
            settings.redis,
            socket_connect_timeout=CONNECT_TIMEOUT_S,
            socket_timeout=SOCKET_TIMEOUT_S,
            retry=Retry(ExponentialBackoff(cap=0.5, base=0.1), RETRIES),
        )
        client.connection_pool.make_connection()  # an unknown option in the URL shows itself only here
    except (ValueError, TypeError) as e:
        raise ConfigurationError(
            f"CLOUTSTREAM_REDIS can't be used: {address(settings.redis)}: {e}; expected redis://[user:password@]host[:port][/db]"
        ) from None
    with reaching_redis(settings):
        client.ping()
    return client


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
