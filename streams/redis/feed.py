"""The alert feed in Redis: what is written to it, and what is remembered so that nothing is written twice.

    alerts                       stream and pub/sub channel: one JSON object per alert
    alerts:held:<rule>:<entity>  hash: version, episode and event time of the last alert; expires when it can't matter any more
    alerts:top:<rule>            string: the first places as they were looked at last, with when each was last said something of
    alerts:undelivered           stream: what a webhook didn't take, and why

A wiped Redis forgets these. A surge that is then still under way, and a goal that is reached, are alerted once more under the
same ids; the first look at a board is taken for what it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import msgspec
import redis.asyncio as aredis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from streams.alerts.judging import Alert
from streams.redis.forgetting import Eraser
from streams.redis.published import pack
from streams.redis.scripts import script
from streams.settings import Settings

ALERTS_PER_CALL = 100


class Feed:
    """One connection that alerts are written through. Every call may be repeated.

    Args:
        settings: where Redis is, and how long the feed is.
        client: a connection, instead of one of its own.
    """

    def __init__(self, settings: Settings, client: aredis.Redis | None = None) -> None:
        self._settings = settings
        self.client = client or connect(settings)
        self._alert = self.client.register_script(script("alert"))
        self._top = self.client.register_script(script("top"))
        self.eraser = Eraser(settings, self.client)

    async def write(self, alerts: Sequence[Alert], forgotten: str) -> int:
        """Write those that were not written before; return how many these were.

        Args:
            alerts: they name nobody forgotten.
            forgotten: fingerprint of all who were known to be forgotten when that was seen to.

        Raises:
            redis.RedisError: Redis is away or refuses writes; write again later.
        """
        s, written = self._settings, 0
        for first in range(0, len(alerts), ALERTS_PER_CALL):
            items = [
                [f"{a.rule}:{a.entity}", a.version, a.since, a.episode, a.at, a.cooldown_s, a.kept_s, a.body.decode()]
                for a in alerts[first : first + ALERTS_PER_CALL]
            ]
            written += int(await self._alert(args=[s.redis_prefix, s.alerts_maxlen, pack(items), forgotten]))
        return written

    async def take_top(self, rule: str, before: bytes, now: bytes, events: Sequence[bytes], forgotten: str) -> bool:
        """Replace what a board was taken for and write what is said of it; return False when somebody else was quicker.

        `forgotten` is as in `write`.
        """
        s = self._settings
        said = msgspec.msgpack.encode([event.decode() for event in events])
        head = (s.redis_prefix, rule, before.decode(), now.decode())
        return bool(await self._top(args=[*head, s.alerts_maxlen, said, forgotten]))

    async def taken_top(self, rule: str) -> bytes:
        """Return what a board was taken for last, empty at first."""
        found = await self.client.get(f"{self._settings.redis_prefix}alerts:top:{rule}")
        return cast(bytes, found or b"")

    async def close(self) -> None:
        """Disconnect."""
        await self.client.aclose()


def connect(settings: Settings, **options: Any) -> aredis.Redis:
    """Return a client of its own that gives up at once: whoever uses it goes on and comes again."""
    waits = {"socket_timeout": 5.0, "socket_connect_timeout": 2.0, "retry": Retry(NoBackoff(), 0), **options}
    return aredis.Redis.from_url(settings.redis, **waits)
