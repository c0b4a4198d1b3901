"""Where a process answers over HTTP: a socket that listens at `host:port`, and its URL."""

from __future__ import annotations

import socket

from streams.errors import ConfigurationError
from streams.settings import PREFIX


def listen(setting: str, address: str) -> socket.socket:
    """Return a socket that listens.

    Args:
        setting: the name of the setting that says where, for the error.
        address: host:port; port 0 for a free one.

    Raises:
        ConfigurationError: nothing can listen there, for example because the port is taken.
    """
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, int(port)), family=family)
    except OSError as e:
        raise ConfigurationError(
            f"{PREFIX}{setting.upper()} is {address!r}, where nothing can listen: {e.strerror or e}; expected a free port "
            "of this machine, or port 0 for any"
        ) from None


def url_of(listening: socket.socket) -> str:
    """Return the base URL of what answers at a socket."""
    host, port, *_ = listening.getsockname()
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
