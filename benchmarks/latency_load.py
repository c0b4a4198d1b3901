"""`python -m benchmarks.latency_load RATE SECONDS LIMIT KEY [ACCOUNTS]`: sends events at a steady rate.

They are keyed by `actor` or `author`, as KEY says. Who engages with whom is from the first LIMIT Higgs events (0: all), or drawn
evenly from so many accounts. `at` is when they are sent. A process of its own, so that it doesn't wait for what is measured.
Prints a JSON line when it begins, and one with how many were sent in how long.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Iterable, Mapping

import msgspec

from benchmarks import logs
from benchmarks.scaling import events
from streams.errors import CloutstreamError
from streams.replay.producing import Feed
from streams.replay.readers import Records
from streams.settings import Settings

STEP_S = 0.01
KEPT_UP_RATIO = 0.95


def check_kept_up(sent: Mapping[str, float], rate_per_s: int) -> None:
    """Do nothing when the load was as it should be.

    Args:
        sent: what the load said in the end.
        rate_per_s: what it was asked for.

    Raises:
        CloutstreamError: it was less.
    """
    found_per_s = sent["sent"] / sent["seconds"]
    if found_per_s < KEPT_UP_RATIO * rate_per_s:
        raise CloutstreamError(
            f"the load was {found_per_s:.0f} events a second; expected {rate_per_s}, so there is no figure: is the machine busy?"
        )


class _Engagement(msgspec.Struct):
    kind: str
    actor: str
    author: str


async def send(settings: Settings, rate_per_s: int, seconds: float, blocks: Iterable[Records], key: str) -> None:
    """Send who engages with whom in the order of the blocks, over and over, each time as new events."""
    decode = msgspec.json.Decoder(_Engagement).decode
    pairs = [decode(value) for block in blocks for value in block.values]
    keys: list[bytes | None] = [getattr(e, key).encode() for e in pairs]
    tails = [b'","kind":"%b","actor":"%b","author":"%b"}' % tuple(x.encode() for x in (e.kind, e.actor, e.author)) for e in pairs]
    step, sent = int(rate_per_s * STEP_S), 0
    async with Feed(settings, settings.topic_names[0]) as feed:
        print(json.dumps({"is_ready": True}), flush=True)
        begun = time.monotonic()
        while sent < rate_per_s * seconds:
            # Whole milliseconds, as the record's own timestamp: a later `at` would be clamped.
            at = b'{"at":%.3f,"id":"load-' % (int(time.time() * 1000) / 1000)
            chosen = [(sent + i) % len(pairs) for i in range(step)]
            await feed.send([keys[c] for c in chosen], [b"%b%d%b" % (at, sent + i, tails[c]) for i, c in enumerate(chosen)])
            await feed.dispatch()
            sent += step
            await asyncio.sleep(max(0.0, begun + sent / rate_per_s - time.monotonic()))
    print(json.dumps({"sent": sent, "seconds": time.monotonic() - begun}), flush=True)


if __name__ == "__main__":
    rate, seconds, limit = (int(argument) for argument in sys.argv[1:4])
    accounts = int(sys.argv[5]) if len(sys.argv) > 5 else 0
    chosen = events.drawn(rate * seconds, accounts, time.time(), seed=0) if accounts else logs.higgs(limit or None).blocks
    asyncio.run(send(Settings.from_environ(os.environ), rate, float(seconds), chosen, sys.argv[4]))
