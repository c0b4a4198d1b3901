"""Taking who is forgotten out of what Redis keeps of changes and alerts. Entries can't be rewritten: those that name one go.

Scores, boards and histories go by the tombstones of their entities, as when they expire.
"""

from __future__ import annotations

from typing import Any

import orjson

from streams.settings import Settings
from streams.tables.forgotten import Forgotten

_PAGE = 500  # entries read at a time


class Eraser:
    """Looks through streams and keys. Every call may be repeated.

    Args:
        settings: the prefix of keys.
        client: for asyncio; replies are bytes.
    """

    def __init__(self, settings: Settings, client: Any) -> None:
        self._prefix, self._client = settings.redis_prefix, client

    async def erase_changes(self, partition: int, forgotten: Forgotten) -> None:
        """Take them out of the change feed of a partition, unless that was done since the last of them was forgotten.

        Raises:
            redis.RedisError: Redis is away; call again later.
        """
        done = f"{self._prefix}forgotten"
        if await self._client.hget(done, str(partition)) == forgotten.fingerprint.encode():
            return
        await self._erase(f"{self._prefix}changes:{partition}", forgotten)
        await self._client.hset(done, mapping={str(partition): forgotten.fingerprint})

    async def erase_alerts(self, forgotten: Forgotten) -> None:
        """Take them out of the alert feed, what webhooks didn't take, what is remembered of alerts, and the hidden accounts."""
        for stream in ("alerts", "alerts:undelivered"):
            await self._erase(self._prefix + stream, forgotten)
        held = f"{self._prefix}alerts:held:"
        escaped = "".join("\\" + c if c in "*?[]\\" else c for c in held)
        async for key in self._client.scan_iter(match=escaped + "*", count=1000):
            if forgotten.has(key.removeprefix(held.encode()).partition(b":")[2]):
                await self._client.delete(key)

        hidden = f"{self._prefix}hidden"
        for account in await self._client.smembers(hidden):
            if forgotten.has_account(account.decode()):
                await self._client.srem(hidden, account)

    async def _erase(self, stream: str, forgotten: Forgotten) -> None:
        position = "-"
        while True:
            page = await self._client.xrange(stream, min=position, count=_PAGE)
            named = [entry for entry, fields in page if forgotten.is_named_in(orjson.loads(fields[b"json"]))]
            if named:
                await self._client.xdel(stream, *named)
            if len(page) < _PAGE:
                return
            position = "(" + page[-1][0].decode()
