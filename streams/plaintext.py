"""No password goes over a network unencrypted, but to hosts that were named for it."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from streams.errors import ConfigurationError


def is_loopback(host: str) -> bool:
    """Return whether a host name or address, without brackets, is this machine and can't be another.

    >>> is_loopback("localhost"), is_loopback("127.0.0.2"), is_loopback("::1"), is_loopback("localhost.example")
    (True, True, True, False)
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def hosts_of(servers: str) -> list[str]:
    """Return the hosts in `host:port[,host:port...]`, without brackets."""
    return [server.strip().rpartition(":")[0].strip("[]") for server in servers.split(",")]


def check_kafka(servers: str, security: str, password: str, allowed: str) -> None:
    """Check that a SASL password isn't sent over plaintext to another machine.

    Raises:
        ConfigurationError: it would be; names the host.
    """
    if security == "sasl_plaintext" and password:
        for host in hosts_of(servers):
            _check(host, allowed, f"CLOUTSTREAM_KAFKA_SECURITY is 'sasl_plaintext' for {host!r}", "sasl_ssl")


def check_redis(url: str, allowed: str) -> None:
    """Check that a Redis password isn't sent over plaintext to another machine.

    Raises:
        ConfigurationError: it would be; names the host.
    """
    parts = urlsplit(url)
    if parts.scheme == "redis" and (parts.password or "password=" in parts.query):
        host = parts.hostname or "localhost"
        _check(host, allowed, f"CLOUTSTREAM_REDIS is 'redis://' with a password for {host!r}", "rediss://")


def _check(host: str, allowed: str, what: str, expected: str) -> None:
    if not is_loopback(host) and host not in [name.strip() for name in allowed.split(",")]:
        raise ConfigurationError(
            f"{what}: the password would cross the network in the clear; expected {expected}, or {host!r} among the hosts in "
            "CLOUTSTREAM_PLAINTEXT_PASSWORDS_TO"
        )
