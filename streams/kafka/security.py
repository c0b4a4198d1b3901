"""Faust's broker URL and credentials from `Settings`."""

from __future__ import annotations

from typing import Any

import faust
from faust.types.auth import SASLMechanism

from streams.errors import ConfigurationError
from streams.kafka.clients import ssl_context
from streams.settings import PREFIX, Settings


def faust_broker(settings: Settings) -> tuple[str, Any]:
    """Return the broker URL of the batched transport, and credentials or None.

    Raises:
        ConfigurationError: a password over plaintext; Faust would send it without a word.
    """
    url = ";".join(f"kafka+batch://{host}" for host in settings.kafka.split(","))
    security = settings.kafka_security
    if security == "plaintext":
        return url, None
    context = ssl_context(settings) if security.endswith("ssl") else None
    if security == "ssl":
        return url, faust.SSLCredentials(context)
    if not settings.kafka_username:
        raise ConfigurationError(
            f"{PREFIX}KAFKA_USERNAME is ''; expected the SASL user, as {PREFIX}KAFKA_SECURITY is {security!r}"
        )
    return url, faust.SASLCredentials(
        username=settings.kafka_username,
        password=settings.kafka_password.reveal(),
        ssl_context=context,
        mechanism=SASLMechanism(settings.kafka_sasl_mechanism),
    )
