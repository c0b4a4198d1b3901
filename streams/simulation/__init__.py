"""A believable network of people, and the few who game it: a source of events to try and to watch the engine with.

Everything is drawn from one seeded generator and time is a parameter, so the same arguments give the same bytes. The
accounts whose treatment one wants to watch carry telling names: `viral-...` (posts that burst), `bot-...` and their
`client-of-bots`, `service-...` and each `client-of-service-...`, `ring-...`. Everyone else is honest.
"""

from streams.simulation.generator import Batch, generate

__all__ = ["Batch", "generate"]
