"""`simulate`: a made-up network whose events are sent as they happen."""

from __future__ import annotations

import argparse
import asyncio
import itertools
import time
from collections.abc import Callable
from typing import Any

from streams.cli.amounts import natural_int, positive_float, positive_int
from streams.settings import Settings


def register(subparsers: Any) -> None:
    """Add `simulate`."""
    parser = subparsers.add_parser(
        "simulate",
        help="send made-up events",
        description="Send the events of a made-up network: honest accounts, posts that burst (viral-...), bots (bot-... and "
        "client-of-bots), a retweet service (service-... and client-of-service-...) and a ring of favours (ring-...).",
    )
    parser.add_argument(
        "--rate", type=positive_float, default=1000.0, metavar="N", help="events per second, the day's mean (default 1000)"
    )
    parser.add_argument("--seconds", type=positive_float, metavar="N", help="end after so long (default: Ctrl-C ends it)")
    parser.add_argument("--accounts", type=positive_int, default=20_000, metavar="N", help="honest accounts (default 20000)")
    parser.add_argument("--seed", type=natural_int, default=1, metavar="N", help="another seed, another network (default 1)")
    parser.add_argument("--json", action="store_true", help="one JSON object at the end")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Send events until the time is over or Ctrl-C."""
    from streams.cli.output import print_json
    from streams.cli.progress import bar, print_counts
    from streams.worker_process import ended_by_sigterm

    sent, begun = 0, time.monotonic()

    with ended_by_sigterm(), bar("sending") as show:

        def on_sent(count: int) -> bool:
            nonlocal sent
            sent = count
            seconds = time.monotonic() - begun
            show(f"sending, {count:,} events, {count / seconds:,.0f} a second", seconds, args.seconds or 0)
            return True

        try:
            asyncio.run(
                feed_simulation(
                    settings, accounts=args.accounts, rate_per_s=args.rate, seed=args.seed, seconds=args.seconds, on_sent=on_sent
                )
            )
        except KeyboardInterrupt:
            if args.seconds:
                raise  # not what was asked for
    seconds = time.monotonic() - begun
    result = {"events": sent, "seconds": round(seconds, 3), "events_per_second": round(sent / seconds, 1)}
    if args.json:
        print_json(result)
    else:
        print_counts(result)
    return 0


async def feed_simulation(
    settings: Settings,
    *,
    accounts: int,
    rate_per_s: float,
    seed: int,
    seconds: float | None,
    on_sent: Callable[[int], bool],
    **network: float,
) -> None:
    """Send each window of a simulation once its events have happened by the wall clock.

    Args:
        settings: where to; the first input topic.
        accounts: honest accounts.
        rate_per_s: events per second, averaged over a day.
        seed: of the network and all that happens in it.
        seconds: when to end; None for never.
        on_sent: called after each window with the events sent so far; returns whether to go on.
        network: further arguments of `streams.simulation.generate`.
    """
    from streams.replay.producing import Feed
    from streams.simulation import generate

    async with Feed(settings, settings.topic_names[0]) as feed:
        start_time = time.time()
        batches = generate(accounts, rate_per_s, seed, start_time, **network)
        first = next(batches)  # draws the network, which takes a moment for millions
        for batch in itertools.chain([first], batches):
            if seconds is not None and batch.until > start_time + seconds + 1e-6:
                return
            await asyncio.sleep(max(0.0, batch.until - time.time()))
            await feed.send(batch.keys, batch.values)
            await feed.dispatch()
            if not on_sent(feed.count):
                return
