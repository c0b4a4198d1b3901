"""Ask a broker for its API versions over a plain socket, with a hard deadline.

Done before any client is made: the clients' own start can hang for good on a port that accepts connections and says
nothing (TLS spoken to a plaintext port), and where they do give up they don't say why.
"""

from __future__ import annotations

import socket
import ssl
import struct

from streams.errors import ServiceUnavailable
from streams.settings import PREFIX, Settings

PROBE_TIMEOUT_S = 8.0
# Length, api key 18, version 0, correlation id 1, no client id. Every broker answers it, before authentication too.
API_VERSIONS_REQUEST = struct.pack(">ihhih", 10, 18, 0, 1, -1)


def probe_kafka(settings: Settings, context: ssl.SSLContext | None) -> str:
    """Return the first bootstrap server that answers, over TLS when there is a `context`.

    Raises:
        ServiceUnavailable: none does within 8 s; says why, server by server.
    """
    servers = settings.kafka.split(",")
    failures = []
    for server in servers:
        try:
            _ask(server.strip(), context, PROBE_TIMEOUT_S / len(servers))
        except OSError as exc:  # refused, unknown host, timed out, TLS
            failures.append(f"{server}: {exc}" if len(servers) > 1 else str(exc))
        else:
            return server.strip()
    raise ServiceUnavailable("Kafka", settings.kafka, f"{'; '.join(failures)}; {settings_hint(settings)}")


def settings_hint(settings: Settings) -> str:
    """Return what to check when Kafka can't be reached."""
    return f"check that it runs and that {PREFIX}KAFKA and {PREFIX}KAFKA_SECURITY ({settings.kafka_security}) fit it"


def _ask(server: str, context: ssl.SSLContext | None, timeout_s: float) -> None:
    host, _, port = server.rpartition(":")
    host = host.strip("[]")
    with socket.create_connection((host, int(port)), timeout=timeout_s / 2) as connection:
        if context is None:
            _exchange(connection, timeout_s / 2)
        else:
            with context.wrap_socket(connection, server_hostname=host) as encrypted:
                _exchange(encrypted, timeout_s / 2)


def _exchange(connection: socket.socket, timeout_s: float) -> None:
    connection.settimeout(timeout_s)
    connection.sendall(API_VERSIONS_REQUEST)
    if not connection.recv(1):
        raise ConnectionResetError("it closed the connection")
