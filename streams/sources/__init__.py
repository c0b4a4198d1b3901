"""Real networks in: where their messages come from, what events they are, and the loop that brings them into Kafka.

A network of one's own is a subclass of `Source` in a file of its own, run with `cloutstream ingest custom MODULE:CLASS`.
"""

from streams.events.decode import Event
from streams.sources.source import Mapped, Position, Source

__all__ = ["Event", "Mapped", "Position", "Source"]
