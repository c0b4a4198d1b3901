"""Writes to Redis, with a rebuild when its keyspace is incomplete (`cs:epoch` missing: it was wiped, or never filled)."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple, cast

import redis.asyncio as aredis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError

from streams.redis.forgetting import Eraser
from streams.redis.published import pack
from streams.redis.scripts import script
from streams.redis.signing import Signatures
from streams.settings import Settings

ENTITIES_PER_CALL = 200  # a call of these blocks the server for 2 to 5 ms
REBUILD_EXPIRES_S = 86400
LIVE, BUILD, REBUILD = "live", "build", "rebuild"


class Written(NamedTuple):
    """How a write ended: LIVE, BUILD, or REBUILD when the items at `refused` can't be written before a rebuild is joined."""

    outcome: str
    refused: Sequence[int] = ()


class Writer:
    """One connection. Every write is absolute and versioned, so any of them may be repeated.

    Args:
        settings: where Redis is, and how to write.
        client: a connection, instead of one of its own.

    `token` is the rebuild this writer takes part in, or "live".
    """

    def __init__(self, settings: Settings, client: aredis.Redis | None = None) -> None:
        self._settings = settings
        # No retries inside: the publisher goes on to collect and comes again; the default would hold a call for a minute.
        self._client = client or aredis.Redis.from_url(
            settings.redis,
            socket_timeout=5.0,
            socket_connect_timeout=2.0,
            retry=Retry(NoBackoff(), 0),
            single_connection_client=False,
        )
        self._publish = self._client.register_script(script("publish"))
        self._finish = self._client.register_script(script("finish"))
        self.eraser = Eraser(settings, self._client)
        self.signatures = Signatures(settings)
        self.token = LIVE

    async def write(self, partition: int, items: Sequence[list[Any]], forgotten: str) -> Written:
        """Write entities.

        Args:
            partition: whose.
            items: see `published`.
            forgotten: fingerprint of all who were known to be forgotten when these were made.

        Raises:
            redis.RedisError: Redis is away or refuses writes; write again later.
        """
        s = self._settings
        if not items:
            return Written(LIVE)
        calls: list[list[Any]] = [
            [
                *(s.redis_prefix, self.token, partition, s.changes_maxlen, s.history_points),
                pack(items[i : i + ENTITIES_PER_CALL]),
                *(s.topic_enter_reach, s.topic_leave_reach, s.why_statements, forgotten),
            ]
            for i in range(0, len(items), ENTITIES_PER_CALL)
        ]
        try:
            outcomes = await self._publish_all(calls)
        except NoScriptError:  # a server that was started anew
            await self._client.script_load(self._publish.script)
            outcomes = await self._publish_all(calls)
        # Redis may have been wiped, or filled, between two of the calls.
        said = [outcomes[i // ENTITIES_PER_CALL] for i in range(len(items))]
        if refused := [i for i, outcome in enumerate(said) if outcome == REBUILD]:
            return Written(REBUILD, refused)
        if outcomes[-1] == LIVE:
            self.token = LIVE
        return Written(outcomes[-1])

    async def _publish_all(self, calls: Sequence[Sequence[Any]]) -> list[str]:
        """Call the script several times, none waiting for the one before, and return what it said.

        By its hash: redis-py's own script objects ask each time whether it is there.
        """
        async with self._client.pipeline(transaction=False) as pipe:
            for args in calls:
                pipe.evalsha(self._publish.sha, 0, *args)
            return [said.decode() for said in await pipe.execute()]

    async def is_complete(self) -> bool:
        """Return whether the keyspace is complete."""
        return bool(await self._client.exists(self._settings.redis_prefix + "epoch"))

    async def outdate(self) -> None:
        """Have the workers fill Redis again; readers see the boards there are until then."""
        await self._client.delete(self._settings.redis_prefix + "epoch")

    async def join_rebuild(self) -> None:
        """Take part in the rebuild under way, or begin one."""
        key = self._settings.redis_prefix + "rebuild:token"
        await self._client.set(key, uuid.uuid4().hex, nx=True)
        held = await self._client.get(key)
        self.token = cast(bytes, held).decode() if held else LIVE

    async def rebuilt(self, partition: int, updated_at: float) -> None:
        """Say, and sign, that all of a partition is written."""
        prefix, signature = self._settings.redis_prefix, self.signatures.text(updated_at)
        await self._client.hset(f"{prefix}stats:{partition}", mapping={"updated_at": updated_at, "signed": signature})
        self.signatures.signed(partition)
        done = f"{prefix}rebuild:done:{self.token}"  # of this rebuild: one before it may have been cut short
        await self._client.sadd(done, partition)
        await self._client.expire(done, REBUILD_EXPIRES_S)

    async def finish(self, epoch: str) -> bool:
        """Put the new boards in place if every partition is done; return whether the keyspace is complete."""
        s = self._settings
        complete = bool(await self._finish(args=[s.redis_prefix, self.token, s.partitions, epoch]))
        if complete:
            self.token = LIVE
        return complete

    async def look(self, partition: int) -> bool:
        """Return whether what is there of a partition was written by the same rules, or by nobody; to be called before `note`."""
        held = await self._client.hmget(f"{self._settings.redis_prefix}stats:{partition}", "updated_at", "signed")
        return self.signatures.look(partition, cast(tuple[bytes | None, bytes | None], tuple(held)))

    async def note(self, partition: int, stats: dict[str, Any], next_scores_offset: int) -> bool:
        """Publish a partition's counts, `updated_at` among them, and how far its scores are written.

        Returns:
            Whether nobody else noted anything of the partition since this writer did, or since a wipe.
        """
        prefix, signature = self._settings.redis_prefix, self.signatures.text(stats["updated_at"])
        async with self._client.pipeline(transaction=False) as pipe:
            pipe.hmget(f"{prefix}stats:{partition}", "updated_at", "signed")
            pipe.hset(f"{prefix}stats:{partition}", mapping=dict[Any, Any]({**stats, "signed": signature}))
            pipe.set(f"{prefix}published:{partition}", next_scores_offset)
            before, *_ = await pipe.execute()
        return self.signatures.signed(partition, tuple(before))

    async def clock(self, watermark_s: float) -> None:
        """Publish what readers take as now; the watermark never goes back."""
        key = self._settings.redis_prefix + "clock"
        held = await self._client.hmget(key, "now", "mode")
        if held[0] is None or held[1] != self._settings.clock.encode() or float(held[0]) < watermark_s:
            await self._client.hset(key, mapping={"mode": self._settings.clock, "now": repr(watermark_s)})

    async def campaigns(self, definitions: Mapping[str, str]) -> None:
        """Publish definitions of campaigns, name -> JSON."""
        if definitions:
            await self._client.hset(self._settings.redis_prefix + "campaigns", mapping=dict[Any, Any](definitions))

    async def hidden(self, hide: Collection[str], show: Collection[str]) -> None:
        """Hide accounts, and show others again."""
        key = self._settings.redis_prefix + "hidden"
        if hide:
            await self._client.sadd(key, *hide)
        if show:
            await self._client.srem(key, *show)

    async def people(self, counts: Mapping[str, int]) -> None:
        """Publish how many different people engaged, by the campaigns' entity names; a count never goes back."""
        if counts:
            await self._client.zadd(self._settings.redis_prefix + "people", dict[Any, Any](counts), gt=True)

    async def close(self) -> None:
        """Disconnect."""
        await self._client.aclose()
