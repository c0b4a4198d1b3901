"""Taking who is forgotten out of what Redis keeps of changes and alerts. Entries can't be rewritten: those that name one go.

Scores, boards and histories go by the tombstones of their entities, as when they expire.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import AsyncIterator, Collection, Sequence
from itertools import compress
from typing import Any, TypeVar

import numpy as np
import orjson

from streams import entities
from streams.columns.placement import partitions_of
from streams.redis.scripts import script
from streams.settings import Settings
from streams.tables.forgotten import Forgotten

_PAGE = 500  # entries read at a time
ALERTS = "alerts"  # what there is of alerts, beside the partitions
_PEOPLE = re.compile(rb"(\d+)-")  # an earlier release noted no number
Part = TypeVar("Part", int, str)


class Eraser:
    """Looks through streams and keys. Every call may be repeated.

    Args:
        settings: the prefix of keys, and the number of partitions.
        client: for asyncio; replies are bytes.
    """

    def __init__(self, settings: Settings, client: Any) -> None:
        self._prefix, self._partitions, self._client = settings.redis_prefix, settings.partitions, client
        self._note = client.register_script(script("erased"))

    async def due(self, parts: Sequence[Part], forgotten: Forgotten) -> list[Part]:
        """Return of which partitions, or whether of `ALERTS`, Redis may hold something of them.

        Nobody has taken it out of these, or somebody who didn't know of them all has written since. Where somebody knew of more,
        that is theirs to do.

        Raises:
            redis.RedisError: Redis is away; call again later.
        """
        if not (parts and forgotten):
            return []
        noted = await self._client.hmget(f"{self._prefix}forgotten", *map(str, parts))
        known = forgotten.fingerprint.encode()
        return [part for part, of in zip(parts, noted, strict=True) if of != known and _people(of) <= len(forgotten)]

    async def begin(self, parts: Sequence[Part], forgotten: Forgotten) -> str:
        """Note that they are about to be taken out of parts; return what `end` is to be told."""
        begun = f"{forgotten.fingerprint} {uuid.uuid4().hex}"
        await self._client.hset(f"{self._prefix}forgotten", mapping={str(part): begun for part in parts})
        return begun

    async def end(self, parts: Sequence[Part], forgotten: Forgotten, begun: str) -> None:
        """Note that parts are without them, as far as nobody who didn't know of them wrote since `begin`."""
        await self._note(args=[self._prefix, begun, forgotten.fingerprint, *parts])

    async def erase_changes(self, partitions: Collection[int], forgotten: Forgotten) -> None:
        """Take them out of the change feeds of partitions, and out of why the scores of their entities moved.

        Raises:
            redis.RedisError: Redis is away; call again later.
        """
        for p in partitions:
            await self._erase(f"{self._prefix}changes:{p}", forgotten)
        await self._erase_reasons(partitions, forgotten)

    async def scores(self, forgotten: Forgotten) -> list[str]:
        """Return the entities of them that have a score; looks at all keys."""
        prefix = f"{self._prefix}score:"
        begin = len(prefix.encode())
        return [key[begin:].decode() async for key in self._keys(prefix) if forgotten.has(key[begin:])]

    async def erase_alerts(self, forgotten: Forgotten) -> None:
        """Take them out of the alert feed, what webhooks didn't take, what is remembered of alerts, and the hidden accounts."""
        for stream in ("alerts", "alerts:undelivered"):
            await self._erase(self._prefix + stream, forgotten)
        held = f"{self._prefix}alerts:held:"
        async for key in self._keys(held):
            # No id of a rule has a colon; it may end in anything else, also as an entity's name begins.
            if forgotten.has(key.removeprefix(held.encode()).partition(b":")[2]):
                await self._client.delete(key)
        hidden = f"{self._prefix}hidden"
        for account in await self._client.smembers(hidden):
            if forgotten.has_account(account.decode()):
                await self._client.srem(hidden, account)

    async def _erase_reasons(self, partitions: Collection[int], forgotten: Forgotten) -> None:
        """Look through the reasons of all entities of partitions: nobody knows in which of them somebody is named."""
        begin, page = f"{self._prefix}why:".encode(), list[bytes]()
        async for key in self._keys(begin.decode()):
            page.append(key)
            if len(page) == _PAGE:
                await self._erase_reasons_of(page, begin, partitions, forgotten)
                page = []
        await self._erase_reasons_of(page, begin, partitions, forgotten)

    async def _erase_reasons_of(
        self, keys: Sequence[bytes], begin: bytes, partitions: Collection[int], forgotten: Forgotten
    ) -> None:
        placed = [entities.placed_by(key.removeprefix(begin).decode()).encode() for key in keys]
        mine = np.isin(partitions_of(placed, self._partitions), list(partitions)).tolist()
        keys = [*compress(keys, mine)]
        if not keys:
            return
        async with self._client.pipeline(transaction=False) as pipeline:
            for key in keys:
                pipeline.lrange(key, 0, -1)
            found = await pipeline.execute()
        for key, statements in zip(keys, found, strict=True):
            for statement in statements:
                if forgotten.is_named_in(orjson.loads(statement)):
                    await self._client.lrem(key, 0, statement)

    def _keys(self, begin: str) -> AsyncIterator[bytes]:
        """Return the keys that begin so, some of them perhaps several times."""
        escaped = "".join("\\" + c if c in "*?[]\\" else c for c in begin)
        keys: AsyncIterator[bytes] = self._client.scan_iter(match=escaped + "*", count=1000)
        return keys

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


def _people(noted: bytes | None) -> int:
    """Return of how many people a part of Redis is noted to be without."""
    found = _PEOPLE.match(noted or b"")
    return int(found[1]) if found else 0
