"""Who is forgotten, by the rule alone: from two seconds after the broker took the first record that says so, for ever.

An event by or of somebody forgotten that the broker took then doesn't count; and of them there are no rows.
"""

from __future__ import annotations

import json

from xxhash import xxh3_128_hexdigest

from streams.verify import campaigns
from streams.verify.event import Event

_ESCAPES = {ord(c): f"%{ord(c):02X}" for c in "%@{}"}
_FOR_EVER = float("inf")


class Forgotten:
    """What the control topic says of people forgotten, record by record."""

    def __init__(self) -> None:
        self._since_ms: dict[str, int] = {}

    def tell(self, key: bytes | None, value: bytes | None, timestamp_ms: int) -> None:
        """Take the next record of the control topic."""
        kind, _, name = (key or b"").decode(errors="replace").partition(":")
        if kind != "forget":
            return
        if value is None:
            self._since_ms.pop(name, None)
            return
        try:
            told = int(json.loads(value)["since_ms"])
        except (ValueError, KeyError, TypeError):
            return  # says nothing: workers leave it out, too
        self._since_ms.setdefault(name, told or timestamp_ms + campaigns.ACTIVATION_MS)

    def drops(self, event: Event, broker_ms: int) -> bool:
        """Return whether an event doesn't count because of who it is by or of."""
        if not self._since_ms:
            return False
        names = ("account:" + account.translate(_ESCAPES) for account in (event.actor, event.author))
        return any(broker_ms >= self._of(name) for name in names)

    def has(self, entity: str, before_ms: float = _FOR_EVER) -> bool:
        """Return whether an entity is of somebody who was forgotten before a time, epoch ms."""
        return bool(self._since_ms) and self._of(entity.partition("@")[0]) < before_ms

    def _of(self, name: str) -> float:
        return self._since_ms.get(xxh3_128_hexdigest(name.encode()), _FOR_EVER)
