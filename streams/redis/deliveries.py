"""Who delivers which alert: a consumer group over the feed, so that of several workers one takes each.

An alert is somebody's from when it is read until it is done with. Who ends in between leaves it behind, and somebody else claims
it after a while; then it may go out twice, under the same id, but never not at all.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson
import redis

from streams.redis.feed import connect
from streams.redis.forgetting import ALERTS
from streams.settings import Settings

GROUP = "webhooks"
CLAIM_AFTER_S = 180.0  # longer than who is at it goes without a touch
GONE_AFTER_S = 3600.0
WAIT_S = 1.0


class Delivery(NamedTuple):
    """An alert to be delivered: its place in the feed, and its JSON."""

    entry: bytes
    body: bytes


class Deliveries:
    """This process's part of the group.

    Args:
        settings: where Redis is.
        claim_after_s: how long what somebody took may stay untouched before it is taken from them.
    """

    def __init__(self, settings: Settings, claim_after_s: float = CLAIM_AFTER_S) -> None:
        self._settings, self._claim_after_ms = settings, int(claim_after_s * 1000)
        self._client: Any = connect(settings)  # redis-py's types of stream commands don't fit its answers
        self._key = settings.redis_prefix + "alerts"
        self._me = uuid.uuid4().hex

    async def new(self, count: int) -> list[Delivery]:
        """Return up to `count` alerts that nobody has taken yet; waits a second for one.

        Raises:
            redis.RedisError: Redis is away; ask again later.
        """
        try:
            answer = await self._client.xreadgroup(GROUP, self._me, {self._key: ">"}, count=count, block=int(WAIT_S * 1000))
        except redis.ResponseError as e:
            if not str(e).startswith("NOGROUP"):
                raise
            await self._begin()  # the first worker, or Redis was wiped
            return []
        return _deliveries(answer[0][1]) if answer else []

    async def left_behind(self, count: int) -> list[Delivery]:
        """Return up to `count` alerts that somebody took and left."""
        try:
            answer = await self._client.xautoclaim(self._key, GROUP, self._me, self._claim_after_ms, "0-0", count=count)
            for consumer in await self._client.xinfo_consumers(self._key, GROUP):
                if not consumer["pending"] and consumer["idle"] > GONE_AFTER_S * 1000:
                    await self._client.xgroup_delconsumer(self._key, GROUP, consumer["name"])
        except redis.ResponseError as e:
            if not str(e).startswith(("NOGROUP", "no such key")):
                raise
            return []
        return _deliveries(answer[1])

    async def touch(self, delivery: Delivery) -> None:
        """Say that it is still being delivered."""
        await self._client.xclaim(self._key, GROUP, self._me, 0, [delivery.entry], justid=True)

    async def done(self, delivery: Delivery) -> None:
        """Say that nobody needs to deliver it any more."""
        await self._client.xack(self._key, GROUP, delivery.entry)

    async def give_up(self, delivery: Delivery, why: str, attempts: int) -> None:
        """Put it with what couldn't be delivered."""
        fields = {"json": delivery.body, "why": why, "attempts": attempts}
        async with self._client.pipeline(transaction=True) as pipe:
            pipe.xadd(f"{self._key}:undelivered", fields, maxlen=self._settings.alerts_maxlen, approximate=True)
            pipe.xack(self._key, GROUP, delivery.entry)
            # Somebody may have taken who is forgotten out of these meanwhile, whom this worker hasn't heard of.
            pipe.hdel(f"{self._settings.redis_prefix}forgotten", ALERTS)
            await pipe.execute()

    async def _begin(self) -> None:
        try:
            await self._client.xgroup_create(self._key, GROUP, id="0", mkstream=True)
        except redis.ResponseError as e:
            if not str(e).startswith("BUSYGROUP"):  # another worker was quicker
                raise

    async def close(self) -> None:
        """Disconnect."""
        await self._client.aclose()


def _deliveries(entries: Sequence[tuple[bytes, dict[bytes, bytes] | None]]) -> list[Delivery]:
    return [Delivery(entry, fields[b"json"]) for entry, fields in entries if fields]


def parts_of(body: bytes) -> tuple[str, str]:
    """Return the id and the rule of an alert."""
    alert = orjson.loads(body)
    return alert["id"], alert["rule"]
