"""Where a webhook may go: not to the machines behind the firewall that a worker stands beside, unless they are named.

What a rule says comes from whoever may write rules. The addresses a name resolves to are checked where the connection is made, so
a name that resolves to something else the second time gains nothing (`webhook`).
"""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from streams.errors import UsageError
from streams.settings import PREFIX, Settings

_SETTING = f"{PREFIX}WEBHOOK_PRIVATE_HOSTS"


def check_url(url: str, private_hosts: frozenset[str]) -> None:
    """Check that a webhook's URL may be called.

    Args:
        url: absolute.
        private_hosts: hosts that may be called at private addresses and without TLS.

    Raises:
        UsageError: says what is wrong; shows the host and not the rest, which may hold a password.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as e:
        raise UsageError(f"the webhook isn't a URL: {e}; expected https://HOST/PATH") from None
    if parts.scheme not in ("https", "http") or not host:
        raise UsageError(f"the webhook has the scheme {parts.scheme!r} and the host {host!r}; expected https://HOST/PATH")
    if parts.username is not None:
        raise UsageError(f"the webhook at {host} has a user name in its URL; expected none: calls are signed")
    if host in private_hosts:
        return
    if parts.scheme != "https":
        raise UsageError(f"the webhook at {host} is called without TLS; expected https, or the host in {_SETTING}")
    if is_private(host):
        raise UsageError(f"the webhook's host {host} is a private address; expected a public one, or the host in {_SETTING}")


def is_private(host: str) -> bool:
    """Return whether a host is an address that isn't public; a name is none.

    >>> [is_private(host) for host in ("10.0.0.1", "::ffff:127.0.0.1", "169.254.169.254", "93.184.215.14", "example.org")]
    [True, True, True, False, False]
    """
    try:
        address = ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return not (mapped or address).is_global or (mapped or address).is_multicast


def private_hosts_of(settings: Settings) -> frozenset[str]:
    """Return the hosts that may be called at private addresses and without TLS."""
    return frozenset(host.strip().lower() for host in settings.webhook_private_hosts.split(",") if host.strip())
