"""Connections that break: hosts taken in turn, waits that grow, and which answers will never be better."""

from __future__ import annotations

import asyncio
import contextlib
import random
import ssl
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from email.utils import parsedate_to_datetime
from typing import TypeVar

import aiohttp

from streams.errors import ConfigurationError
from streams.sources.source import Tell

FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 60.0
CONNECT_S = 10.0
MOST_RETRY_AFTER_S = 900.0  # what X asks for after too many requests
_NEVER = {
    400: "the request isn't understood",
    401: "the token isn't accepted",
    403: "it is forbidden",
    404: "there is no such stream",
}
T = TypeVar("T")


class Broken(Exception):
    """A connection that may work again; `retry_after_s` is what the host asks for."""

    def __init__(self, reason: str, retry_after_s: float = 0.0) -> None:
        self.retry_after_s = min(max(0.0, retry_after_s), MOST_RETRY_AFTER_S)
        super().__init__(reason)


class Refused(Exception):
    """A host that will not serve this, however often it is asked."""


class Hosts:
    """Hosts in turn. The wait after a failure doubles with each round of all of them, and is drawn, so that readers spread."""

    def __init__(self, hosts: Sequence[str], chance: random.Random | None = None) -> None:
        self._hosts = list(hosts)
        self._chance = chance or random.Random()
        self._failures = 0
        self.breaks = 0

    @property
    def current(self) -> str:
        """The host to ask now."""
        return self._hosts[0]

    def works(self) -> None:
        """Take note that something came: the next failure is the first again."""
        self._failures = 0

    def failed(self, retry_after_s: float = 0.0) -> float:
        """Go on to the next host; return how long to wait before it is asked, s."""
        self.breaks += 1
        self._hosts.append(self._hosts.pop(0))
        rounds = self._failures // len(self._hosts)
        self._failures += 1
        most_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(rounds, 10))
        return max(self._chance.uniform(most_s / 2, most_s), retry_after_s if len(self._hosts) == 1 else 0.0)

    def refused(self, reason: str) -> None:
        """Ask this host no more.

        Raises:
            ConfigurationError: it was the last.
        """
        host = self._hosts.pop(0)
        if not self._hosts:
            raise ConfigurationError(f"{host}: {reason}")


async def mended(hosts: Hosts, connect: Callable[[str], AsyncGenerator[T, None]], tell: Tell) -> AsyncGenerator[T, None]:
    """Yield what `connect(host)` yields, and connect again whenever that breaks.

    Raises:
        ConfigurationError: every host refuses.
    """
    while True:
        host = hosts.current
        try:
            async with aclosing(connect(host)) as items:
                async for item in items:
                    hosts.works()
                    yield item
            failure = Broken("it closed the connection")
        except Broken as e:
            failure = e
        except Refused as e:
            hosts.refused(str(e))
            tell(f"{host}: {e}; it is asked no more")
            continue
        wait_s = hosts.failed(failure.retry_after_s)
        tell(f"{host}: {failure}; asking {hosts.current} in {wait_s:.1f} s")
        await asyncio.sleep(wait_s)


def failure_of(error: BaseException, now_s: float) -> Broken | Refused:
    """Return what an error of an HTTP or WebSocket client at `now_s`, epoch s, means for the connection."""
    if isinstance(error, aiohttp.ClientResponseError):  # of a WebSocket's handshake as well
        return failure_of_status(error.status, error.headers or {}, now_s)
    if isinstance(error, aiohttp.ClientConnectorCertificateError | ssl.CertificateError):
        return Refused("its certificate isn't trusted; for an authority of your own give --ca-file")
    if isinstance(error, TimeoutError):
        return Broken("it doesn't answer")
    return Broken(str(error) or type(error).__name__)


def failure_of_status(status: int, headers: Mapping[str, str], now_s: float) -> Broken | Refused:
    """Return what an HTTP status other than success, at `now_s`, epoch s, means for the connection."""
    if status in _NEVER:
        return Refused(f"it answers {status}: {_NEVER[status]}")
    return Broken(f"it answers {status}", _retry_after_s(headers, now_s))


def _retry_after_s(headers: Mapping[str, str], now_s: float) -> float:
    """Return how long a host wants to be left alone: seconds, a date (RFC 9110), or X's epoch seconds; 0 when it says nothing."""
    after, reset = headers.get("Retry-After", ""), headers.get("x-rate-limit-reset", "")
    if after.isascii() and after.isdigit():
        return float(after[:9])
    if after:
        with contextlib.suppress(ValueError, OverflowError):
            return parsedate_to_datetime(after).timestamp() - now_s
    return float(reset[:12]) - now_s if reset.isascii() and reset.isdigit() else 0.0
