"""What every client of HTTP and WebSockets here has in common."""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp

from streams.errors import ConfigurationError, UsageError
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


def base_url(said: str, what: str, scheme: str) -> str:
    """Return the URL of a host given by its name, or by a URL with `scheme` or its form without TLS, such as `wss` and `ws`.

    Raises:
        UsageError: it is neither; `what` is how it was given.

    >>> base_url("jetstream1.us-east.bsky.network", "--host", "wss"), base_url("ws://127.0.0.1:6008/", "--host", "wss")
    ('wss://jetstream1.us-east.bsky.network', 'ws://127.0.0.1:6008')
    """
    url = said if "://" in said else f"{scheme}://{said}"
    try:
        parts = urlsplit(url)
        is_right = (
            parts.scheme in (scheme, scheme.removesuffix("s"))
            and re.fullmatch(r"[\w.:%-]+", parts.hostname or "")
            and parts.port != 0  # what is no number raises
            and not (parts.query or parts.fragment or parts.username)
        )
    except ValueError:
        is_right = False
    if not is_right:
        said = re.sub(r"//.*@", "//...@", said)  # there may be a password in it
        raise UsageError(f"{what} is {said!r}; expected a host's name, or its URL as in {scheme}://social.example")
    return url.rstrip("/")
