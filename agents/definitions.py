"""What is defined while workers run, told to readers: campaigns and who is hidden, in Redis."""

from __future__ import annotations

import orjson

from agents.host import Host
from streams.redis.writer import Writer

TELL_INTERVAL_S = 10.0


class Definitions:
    """Tells Redis the definitions. Every worker does, all of them and now and then: one that is behind may have told less."""

    def __init__(self, app: Host) -> None:
        self._app = app
        self._revision, self._told_at_s = 0, 0.0  # of the control topic: what of it was told, and when
        self._hidden: frozenset[str] = frozenset()

    @property
    def is_due(self) -> bool:
        """Whether there is something new, or it is time to tell all again."""
        is_time = self._app.clock.monotonic() - self._told_at_s > TELL_INTERVAL_S
        return is_time or self._revision != self._app.control.state.revision

    async def tell(self, writer: Writer) -> None:
        """Write all of them.

        Raises:
            redis.RedisError: Redis is away; call again later.
        """
        state = self._app.control.state
        revision, hidden = state.revision, state.hidden
        await writer.campaigns({c.name: orjson.dumps(c.as_dict()).decode() for c in state.campaigns})
        # Only what this worker knows to have been taken away is shown again: there may be more than it has read of.
        await writer.hidden(hidden, self._hidden - hidden)
        self._hidden, self._revision, self._told_at_s = hidden, revision, self._app.clock.monotonic()
