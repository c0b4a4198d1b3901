"""One call of a webhook: a signed POST that follows no redirect and waits for nobody for long.

POST /path
Content-Type: application/json
Cloutstream-Alert: <the alert's id: the same each time it is sent>
Cloutstream-Signature: t=<epoch s>,v1=<HMAC-SHA256 of "<t>.<body>" under the key, hex>
"""

from __future__ import annotations

import hashlib
import hmac
import socket
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from streams.alerts.addresses import check_url, is_private
from streams.errors import ConfigurationError, UsageError
from streams.settings import PREFIX, Settings

TIMEOUT_S = 10.0
# Refusals that may pass: too early, too many, took too long. Others say that the same call is refused again.
_PASSING = (408, 425, 429)
_LEAST_KEY_BYTES = 16


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended: `why` it failed, empty when it didn't; `is_final` when trying again can't help."""

    why: str = ""
    is_final: bool = False


def signature(key: bytes, at_s: int, body: bytes) -> str:
    """Return the value of the signature's header.

    >>> signature(b"key", 1, b"{}")[:16]
    't=1,v1=a6ffc8a9a'
    """
    return f"t={at_s},v1={hmac.new(key, b'%d.' % at_s + body, hashlib.sha256).hexdigest()}"


def key_of(settings: Settings, name: str) -> bytes:
    """Return the key that calls are signed with: of the file `name`, or the one of the settings.

    Raises:
        ConfigurationError: there is none, or it is shorter than 16 bytes. Says which, never what it holds.
    """
    if not name:
        key, where = settings.webhook_secret.reveal().encode(), f"{PREFIX}WEBHOOK_SECRET"
    elif not settings.webhook_secrets_dir:
        raise ConfigurationError(f"{PREFIX}WEBHOOK_SECRETS_DIR is ''; expected the folder with the key file {name!r}")
    else:
        path = Path(settings.webhook_secrets_dir, name)
        try:
            key, where = path.read_bytes().strip(), str(path)
        except OSError as e:
            raise ConfigurationError(f"the key file {path} can't be read ({e.strerror}); expected one with a key") from e
    if len(key) < _LEAST_KEY_BYTES:
        raise ConfigurationError(f"{where} holds {len(key)} bytes; expected a key of at least {_LEAST_KEY_BYTES}")
    return key


class PublicResolver(AbstractResolver):
    """Resolves names, and leaves out addresses that aren't public unless the name may have such."""

    def __init__(self, private_hosts: frozenset[str]) -> None:
        self._private_hosts = private_hosts
        self._names = ThreadedResolver()

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:
        """Return the addresses that may be connected to.

        Raises:
            OSError: there are none.
        """
        found = await self._names.resolve(host, port, family)
        allowed = [a for a in found if host in self._private_hosts or not is_private(a["host"])]
        if not allowed:
            raise OSError(
                f"{host} has private addresses only; expected a public one, or the host in {PREFIX}WEBHOOK_PRIVATE_HOSTS"
            )
        return allowed

    async def close(self) -> None:
        """Nothing is held."""


class Caller:
    """Calls webhooks; needs a running event loop, and to be closed."""

    def __init__(self, private_hosts: frozenset[str], timeout_s: float = TIMEOUT_S) -> None:
        self._private_hosts = private_hosts
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(resolver=PublicResolver(private_hosts), use_dns_cache=False, limit=32),
            timeout=aiohttp.ClientTimeout(total=timeout_s),
            trust_env=False,  # a proxy would resolve the name itself
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )

    async def call(self, url: str, key: bytes, alert_id: str, body: bytes, at_s: int) -> Outcome:
        """Send an alert once.

        Args:
            url: of the webhook.
            key: what it is signed with.
            alert_id: by which a receiver knows what it has.
            body: JSON.
            at_s: now, epoch s.
        """
        try:
            check_url(url, self._private_hosts)
        except UsageError as e:
            return Outcome(str(e), is_final=True)
        headers = {
            "Content-Type": "application/json",
            "Cloutstream-Alert": alert_id,
            "Cloutstream-Signature": signature(key, at_s, body),
            "User-Agent": "cloutstream",
        }
        host = urlsplit(url).hostname
        try:
            async with self._session.post(url, data=body, headers=headers, allow_redirects=False) as answer:
                if 200 <= answer.status < 300:
                    return Outcome()
                is_final = 300 <= answer.status < 500 and answer.status not in _PASSING
                return Outcome(f"{host} answered {answer.status}", is_final)
        except TimeoutError:
            return Outcome(f"{host} took too long to answer")
        except (aiohttp.ClientError, OSError) as e:
            reason = getattr(e, "os_error", None) or e  # the client's own text may show the URL
            return Outcome(f"{host} can't be reached: {reason if isinstance(reason, OSError) else type(e).__name__}")

    async def close(self) -> None:
        """Let go of connections."""
        await self._session.close()
