"""The same job written the ordinary way in Faust: a JSON record per message, `table[key] += 1`, a decayed counter, a ZADD.

A fair minimum, not a straw man: no check for duplicates, no trust, no reach, no change events, and no repartitioning by
author, each of which would cost more. Prints the events it has seen, every half second, as JSON lines.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import tempfile
import time

import faust
import redis.asyncio as aredis

from streams.settings import Settings


class Event(faust.Record, serializer="json"):
    """One event."""

    id: str
    kind: str
    actor: str
    author: str
    at: float


def create_app(settings: Settings) -> faust.App:
    """Return the app."""
    app = faust.App(
        "plain",
        broker=f"kafka://{settings.kafka}",
        topic_partitions=settings.partitions,
        broker_session_timeout=settings.session_timeout_s,  # or the group join takes half of Faust's 60 s
        broker_heartbeat_interval=settings.session_timeout_s / 4,
        consumer_auto_offset_reset="earliest",
        datadir=tempfile.mkdtemp(),
        web_enabled=False,
    )
    counts = app.Table("counts", default=int)
    decayed = app.Table("decayed", default=list)
    client = aredis.Redis.from_url(settings.redis)
    seen = 0

    @app.agent(app.topic(settings.topic_names[0], value_type=Event))
    async def score(events: faust.StreamT[Event]) -> None:
        nonlocal seen
        h = settings.half_life_slow_s
        async for event in events:
            counts[event.author] += 1
            value, at = decayed[event.author] or (0.0, event.at)
            newest = max(at, event.at)
            value = value * 2 ** ((at - newest) / h) + 2 ** ((event.at - newest) / h)
            decayed[event.author] = [value, newest]
            await client.zadd("plain:board", {event.author: 5 * math.log2(value) + 5 * newest / h})
            seen += 1

    @app.task  # type: ignore[untyped-decorator]  # Faust's
    async def report() -> None:
        while True:
            print(json.dumps({"seen": seen, "at_s": time.monotonic()}), flush=True)
            await asyncio.sleep(0.5)

    return app


if __name__ == "__main__":
    import mode.loop

    mode.loop.use("uvloop")
    faust.Worker(
        create_app(Settings.from_environ(os.environ)), loglevel="ERROR", redirect_stdouts=False, quiet=True
    ).execute_from_commandline()
