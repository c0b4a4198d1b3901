"""The HTTP endpoint of a long-running process: where it listens, who may ask, and its metrics as text."""

from __future__ import annotations

import hmac
import socket
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from aiohttp import web
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder

from streams.errors import ConfigurationError

Handler = Callable[[web.Request], Coroutine[Any, Any, web.StreamResponse]]


def listen(setting: str, address: str) -> socket.socket:
    """Return a socket that listens.

    Args:
        setting: the name of the setting or option that says where, for the error.
        address: host:port; port 0 for a free one.

    Raises:
        ConfigurationError: nothing can listen there, for example because the port is taken.
    """
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, int(port)), family=family)
    except (OSError, ValueError, OverflowError) as e:
        raise ConfigurationError(
            f"{setting} is {address!r}, where nothing can listen: {getattr(e, 'strerror', None) or e}; expected a free port "
            "of this machine, or port 0 for any"
        ) from None


def url_of(listening: socket.socket) -> str:
    """Return the base URL of what answers at a socket."""
    host, port, *_ = listening.getsockname()
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def asking_for_token(token: str) -> Callable[[Handler], Handler]:
    """Return what makes a handler ask for a token; with an empty one nothing is asked for."""
    expected = f"Bearer {token}".encode() if token else b""

    def guarded(handler: Handler) -> Handler:
        async def ask(request: web.Request) -> web.StreamResponse:
            given = request.headers.get("Authorization", "").encode(errors="surrogateescape")
            if expected and not hmac.compare_digest(given, expected):
                said = "expected the header `Authorization: Bearer TOKEN`\n"
                return web.Response(status=401, text=said, headers={"WWW-Authenticate": "Bearer"})
            return await handler(request)

        return ask

    return guarded


class Scraped:
    """The metrics of one moment, with the process's own."""

    def __init__(self) -> None:
        self._metrics: Iterable[Metric] = ()
        self._registry = CollectorRegistry()  # not the global one: it would have what other libraries put there
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def collect(self) -> Iterable[Metric]:
        """Return the metrics."""
        return self._metrics

    def response(self, request: web.Request, metrics: Iterable[Metric]) -> web.Response:
        """Return metrics in the format that a request asks for."""
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        self._metrics = metrics  # no await from here to its text: scrapes may overlap
        return web.Response(body=encode(self._registry), headers={"Content-Type": content_type})
