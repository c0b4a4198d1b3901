"""What every client of HTTP and WebSockets here has in common."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import aiohttp

from streams.errors import ConfigurationError
from streams.sources.connecting import CONNECT_S


def client(headers: Mapping[str, str], ca_file: Path | None, silence_s: float) -> aiohttp.ClientSession:
    """Return a session that gives up connecting after 10 s, and reading after `silence_s` of silence.

    Raises:
        ConfigurationError: the authority file can't be loaded.
    """
    try:
        trusted = ssl.create_default_context(cafile=ca_file)
    except OSError as e:  # ssl.SSLError is one
        raise ConfigurationError(f"--ca-file is {str(ca_file)!r}, which can't be loaded ({e}); expected a PEM file") from None
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=trusted),
        headers={"User-Agent": f"cloutstream/{version('cloutstream')}", **headers},
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=silence_s),
        trust_env=True,  # proxies
    )
