"""Rebuilder: a Redis that was wiped, or that others wrote, is filled again from the tables.

A wiped one is noticed by its missing epoch. It is filled beside the boards that readers see, which change places when all
partitions are done; each worker does its own.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection

from agents.definitions import Definitions
from agents.discretion import Discretion
from agents.host import Host
from agents.pending import SLICE, entries
from streams.redis.writer import LIVE, REBUILD, Writer
from streams.tables.flush import current_scores

_log = logging.getLogger("cloutstream")


class Rebuilder:
    """The publisher's: of all owned partitions."""

    def __init__(self, app: Host, definitions: Definitions, discretion: Discretion) -> None:
        self._app, self._definitions, self._discretion = app, definitions, discretion
        self._filled: dict[int, str] = {}  # by partition: token of the rebuild that it is done for
        self._counted = ""

    def keep(self, partitions: Collection[int]) -> None:
        """Know that all other partitions are somebody else's now."""
        self._filled = {p: token for p, token in self._filled.items() if p in partitions}

    async def look_back(self, writer: Writer) -> None:
        """Have Redis filled again where another release, or other settings, wrote what there is of a partition taken over."""
        for p in sorted(self._app.owned):
            if not writer.signatures.is_known(p) and not await writer.look(p):
                _log.warning("partition %d is in Redis as another release, or other settings, would have it", p)
                self._app.redis_is_outdated = True
        if self._app.redis_is_outdated:
            await writer.outdate()
            self._app.redis_is_outdated = False

    async def rebuild(self, writer: Writer) -> None:
        """Write all that the owned partitions hold beside the boards that readers see, then have them change places.

        Raises:
            redis.RedisError: Redis is away; call again later.
        """
        await writer.join_rebuild()
        token = writer.token
        if token not in (LIVE, self._counted):  # one takes several calls where other workers take part
            self._counted = token
            self._app.counters.redis_rebuilds += 1
        _log.info("filling Redis from the tables: its keyspace is incomplete")
        for p in sorted(self._app.owned):
            if self._filled.get(p) != token and not await self._fill(writer, p, token):
                return
        await self._definitions.tell(writer)
        await writer.finish(f"{self._app.clock.time():.3f}")

    async def _fill(self, writer: Writer, p: int, token: str) -> bool:
        """Write all that a partition holds; return whether that is done, whoever ended the rebuild."""
        app = self._app
        state, table = app.entities.partition(p), app.entity_rows
        rows = table.live_of(p)
        for first in range(0, len(rows), SLICE):
            part = rows[first : first + SLICE]
            part = part[table.used[part] & (table.part[part] == p)]
            # The table may hold somebody whom this worker knows to be forgotten: until the next flush, and for good once it has
            # lost the partition. Written as by one who knows them, nobody would take them out again.
            scores = zip(table.names.get(part), current_scores(table, part), strict=True)
            items, _ = entries(self._discretion.named_out(p, [(key, 0, score) for key, score in scores]), app.clock.time())
            if (await writer.write(p, items, app.control.forgotten.fingerprint)).outcome == REBUILD:
                return False
            await asyncio.sleep(0)
        if p not in app.owned or app.entities.store.partitions.get(p) is not state:
            return False  # it was handed over: this may be a part of it, and its next owner writes all
        await writer.people(state.people.counts())
        if writer.token == token:  # else somebody else has ended it meanwhile, and all this is in place
            await writer.rebuilt(p, app.clock.time())
            self._filled[p] = token
        return True
