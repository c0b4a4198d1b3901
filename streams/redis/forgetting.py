"""Taking who is forgotten out of what Redis keeps of changes and alerts. Entries can't be rewritten: those that name one go.

Scores, boards and histories go by the tombstones of their entities, as when they expire.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
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

    async def erase_changes(self, partition: int, forgotten: Forgotten, *, is_unaware: bool) -> bool:
        """Take them out of the change feed of a partition, unless that was done since the last of them was forgotten.

        Args:
            partition: whose.
            forgotten: who.
            is_unaware: who calls wrote to it without knowing of them, so it is done in any case.

        Returns:
            Whether it was done before, and who calls wrote after that: scores of them may be there again.

        Raises:
            redis.RedisError: Redis is away; call again later.
        """
        done = f"{self._prefix}forgotten"
        was_done: bool = await self._client.hget(done, str(partition)) == forgotten.fingerprint.encode()
        if was_done and not is_unaware:
            return False
        await self._erase(f"{self._prefix}changes:{partition}", forgotten)
        await self._client.hset(done, mapping={str(partition): forgotten.fingerprint})
        return was_done

    async def scores(self, forgotten: Forgotten) -> list[str]:
        """Return the entities of them that have a score; looks at all keys."""
        return [name.decode() async for _, name in self._named("score:", forgotten)]

    async def erase_alerts(self, forgotten: Forgotten) -> None:
        """Take them out of the alert feed, what webhooks didn't take, what is remembered of alerts, and the hidden accounts."""
        for stream in ("alerts", "alerts:undelivered"):
            await self._erase(self._prefix + stream, forgotten)
        async for key, _ in self._named("alerts:held:", forgotten):
            await self._client.delete(key)

        hidden = f"{self._prefix}hidden"
        for account in await self._client.smembers(hidden):
            if forgotten.has_account(account.decode()):
                await self._client.srem(hidden, account)

    async def _named(self, kind: str, forgotten: Forgotten) -> AsyncIterator[tuple[bytes, bytes]]:
        """Yield the keys of a kind whose name ends in an entity of them, and that; before it there may be a rule's id."""
        prefix = self._prefix + kind
        escaped = "".join("\\" + c if c in "*?[]\\" else c for c in prefix)
        async for key in self._client.scan_iter(match=escaped + "*", count=1000):
            _, account, rest = key.removeprefix(prefix.encode()).partition(b"account:")
            if account and forgotten.has(account + rest):
                yield key, account + rest

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
