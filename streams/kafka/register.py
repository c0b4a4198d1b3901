"""Makes `kafka+batch://` known to Faust also where the package runs from a checkout, without its entry point."""

from __future__ import annotations

from faust.transport.drivers import TRANSPORTS


def register_transport() -> None:
    """Add the alias that the entry point `faust.transports` gives an installed package."""
    TRANSPORTS.aliases["kafka+batch"] = "streams.kafka.transport:Transport"
