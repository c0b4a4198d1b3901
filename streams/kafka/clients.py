"""Kafka clients for administration and commands (kafka-python), and the security options of both client libraries.

Every client made here gives up within 10 s: a command says that Kafka is away, it doesn't hang. None creates a topic by
asking for it, which on a broker with auto-creation would make one with the wrong number of partitions.
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Iterator
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.errors import KafkaError, KafkaTimeoutError, SaslAuthenticationFailedError

from streams.errors import ConfigurationError, ServiceUnavailable
from streams.kafka.probe import probe_kafka, settings_hint
from streams.settings import PREFIX, Settings

CONNECT_TIMEOUT_MS = 8_000
REQUEST_TIMEOUT_MS = 8_000  # kafka-python takes a second more


def producer(settings: Settings, **options: Any) -> Any:
    """Return a `KafkaProducer` that batches; the caller flushes, checks the futures of its sends and closes it.

    Raises:
        ServiceUnavailable: no broker answered within 10 s.
    """
    batching = {"acks": "all", "linger_ms": 5, "batch_size": 1 << 18, "max_request_size": 4 << 20}
    # A send that isn't acknowledged by then fails; the default of 120 s looks like a hang.
    patience = {"max_block_ms": REQUEST_TIMEOUT_MS, "delivery_timeout_ms": 30_000}
    return _client(KafkaProducer, settings, {"allow_auto_create_topics": False, **batching, **patience, **options})


def consumer(settings: Settings, **options: Any) -> Any:
    """Return a `KafkaConsumer` without a group: it reads what it is assigned, from the beginning, and commits nothing.

    Raises:
        ServiceUnavailable: no broker answered within 10 s.
    """
    reading = {
        "group_id": None,
        "enable_auto_commit": False,
        "auto_offset_reset": "earliest",
        "allow_auto_create_topics": False,
        "max_poll_records": 10_000,
        "max_partition_fetch_bytes": 8 << 20,
        "fetch_max_wait_ms": 100,
    }
    return _client(KafkaConsumer, settings, {**reading, **options})


def admin(settings: Settings, **options: Any) -> Any:
    """Return a `KafkaAdminClient`.

    Raises:
        ServiceUnavailable: no broker answered within 10 s.
    """
    return _client(KafkaAdminClient, settings, options)


@contextlib.contextmanager
def reaching_kafka(settings: Settings) -> Iterator[None]:
    """Turn the failures to reach Kafka inside the block into `ServiceUnavailable`.

    Raises:
        ServiceUnavailable: nothing answered in time, or the broker refused the user.
    """
    try:
        yield
    except SaslAuthenticationFailedError as exc:
        raise ServiceUnavailable("Kafka", settings.kafka, f"it refused {_user_hint(settings)}") from exc
    except (KafkaError, OSError) as exc:
        # Retriable are those of a broker that is away, starting, or electing a leader; others are ours.
        if isinstance(exc, KafkaError) and not exc.retriable:
            raise
        raise ServiceUnavailable("Kafka", settings.kafka, f"{exc}; {settings_hint(settings)}") from exc


def aiokafka_security(settings: Settings) -> dict[str, Any]:
    """Return the security options of an aiokafka client.

    Raises:
        ConfigurationError: the authority file can't be read, or a SASL user is missing.
    """
    protocol = settings.kafka_security.upper()
    options: dict[str, Any] = {"security_protocol": protocol}
    if protocol.endswith("SSL"):
        options["ssl_context"] = ssl_context(settings)
    if protocol.startswith("SASL"):
        if not settings.kafka_username:
            raise ConfigurationError(
                f"{PREFIX}KAFKA_USERNAME is '' with {PREFIX}KAFKA_SECURITY={settings.kafka_security!r}; expected a SASL user"
            )
        options["sasl_mechanism"] = settings.kafka_sasl_mechanism
        options["sasl_plain_username"] = settings.kafka_username
        options["sasl_plain_password"] = str.__str__(settings.kafka_password)  # the text, however a Secret shows itself
    return options


def ssl_context(settings: Settings) -> ssl.SSLContext:
    """Return a context that trusts `kafka_ca_file`, or the system's authorities, and checks the broker's name.

    Raises:
        ConfigurationError: the file can't be read or holds no certificate.
    """
    try:
        return ssl.create_default_context(cafile=settings.kafka_ca_file or None)
    except OSError as exc:  # ssl.SSLError is one
        raise ConfigurationError(
            f"{PREFIX}KAFKA_CA_FILE is {settings.kafka_ca_file!r}, which can't be loaded ({exc}); expected a PEM file"
        ) from exc


def _client(kind: Any, settings: Settings, options: dict[str, Any]) -> Any:
    security = aiokafka_security(settings)  # kafka-python names the options alike
    answering = probe_kafka(settings, security.get("ssl_context"))
    connection = {
        "bootstrap_servers": [answering],  # the others come with its metadata
        "client_id": settings.app_id,
        "bootstrap_timeout_ms": CONNECT_TIMEOUT_MS,
        "request_timeout_ms": REQUEST_TIMEOUT_MS,
        "reconnect_backoff_max_ms": 1_000,  # the default of 30 s would outlast every deadline here
        **security,
    }
    with reaching_kafka(settings):
        try:
            return kind(**{**connection, **options})
        except KafkaTimeoutError as exc:
            if not settings.kafka_security.startswith("sasl"):
                raise
            # It has answered the probe; a client that is refused tries again until its time is up, and then doesn't say so.
            raise ServiceUnavailable("Kafka", settings.kafka, f"it answers, but seems to refuse {_user_hint(settings)}") from exc


def _user_hint(settings: Settings) -> str:
    return (
        f"the user {settings.kafka_username!r} ({settings.kafka_sasl_mechanism}); check {PREFIX}KAFKA_USERNAME, "
        f"{PREFIX}KAFKA_PASSWORD and {PREFIX}KAFKA_SASL_MECHANISM"
    )
