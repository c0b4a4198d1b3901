"""`replay`: recorded events from a file into Kafka, and on request everything that it takes to see their scores."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streams.cli.amounts import positive_float, positive_int
from streams.errors import UsageError
from streams.settings import Settings

if TYPE_CHECKING:
    import redis

    from streams.replay.readers import Recording
    from streams.replay.waiting import Progress

ROW = ("account", "score", "plus_minus", "reach", "posts", "likes", "shares", "replies")


def register(subparsers: Any) -> None:
    """Add `replay`."""
    parser = subparsers.add_parser(
        "replay",
        help="send recorded events",
        description="Send the events of a file, plain or gzip, to the first input topic.",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="the recorded events")
    parser.add_argument(
        "--format",
        choices=("events", "higgs"),
        default="events",
        help="events: one JSON event per line (default); higgs: SNAP's activity file, `actor author unix_s RT|RE|MT`",
    )
    parser.add_argument("--rate", type=positive_float, metavar="N", help="events per second (default: as fast as possible)")
    parser.add_argument("--shift-to-now", action="store_true", help="move all times so that the newest event is now")
    parser.add_argument("--limit", type=positive_int, metavar="N", help="send only the first N lines")
    parser.add_argument(
        "--top", type=positive_int, default=10, metavar="N", help="places of the leaderboard to print (default 10)"
    )
    parser.add_argument(
        "--embedded", action="store_true", help="with a broker, a Redis and a worker of its own, gone at the end; waits"
    )
    parser.add_argument("--wait", action="store_true", help="end when everything sent is applied and published; print the result")
    parser.add_argument("--json", action="store_true", help="one JSON object")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Send the file."""
    from streams.embedded import embedded_settings
    from streams.kafka.topics import create_topics
    from streams.replay.readers import Recording
    from streams.worker_process import ended_by_sigterm, worker_process

    recording = Recording(args.file, args.format, limit=args.limit)
    with contextlib.ExitStack() as stack:
        check: Callable[[], None] = lambda: None  # noqa: E731  # nobody's process to look after
        if args.embedded:
            stack.enter_context(ended_by_sigterm())
            args.wait = True  # not waiting would show nothing and leave nothing
            # Readers of recorded data take its newest time as now: by the wall clock years would have faded.
            clock = "wall" if args.shift_to_now else "event"
            settings = stack.enter_context(embedded_settings(os.environ, clock=clock))
            create_topics(settings)
            check = stack.enter_context(worker_process(settings)).check
        return _replay(args, settings, recording, check)


def _replay(args: argparse.Namespace, settings: Settings, recording: Recording, check: Callable[[], None]) -> int:
    from streams.redis.client import session

    with contextlib.ExitStack() as stack:
        # Connected before anything is sent: no Redis is found out about at the start, not after the file.
        client = stack.enter_context(session(settings)) if args.wait else None
        before = _outcomes(settings, client) if client else {}
        begun = time.monotonic()
        events = _send(args, settings, recording, check)
        if client:
            _wait(settings, client, check)
        seconds = time.monotonic() - begun
        result = {"events": events, "seconds": round(seconds, 3), "events_per_second": round(events / seconds, 1)}
        if client:
            result = _with_scores(result, before, settings, client, args.top)
    _print(result, as_json=args.json)
    return 0


def _send(args: argparse.Namespace, settings: Settings, recording: Recording, check: Callable[[], None]) -> int:
    from streams.cli.progress import bar
    from streams.replay.producing import Feed, paced

    shift_s = 0.0
    if args.shift_to_now:
        newest = recording.newest_time()
        if newest is None:
            raise UsageError(f"{str(args.file)!r} has no event with a readable time; expected lines of --format {args.format}")
        shift_s = time.time() - newest

    async def send() -> int:
        with bar("sending") as show:
            async with Feed(settings, settings.topic_names[0]) as feed:
                async for block in paced(recording.blocks(shift_s), args.rate):
                    await feed.send(block.keys, block.values)
                    if args.rate:
                        await feed.dispatch()
                    check()
                    show(f"sending, {feed.count:,} events", recording.read_bytes, recording.size_bytes)
            return feed.count

    return asyncio.run(send())


def _wait(settings: Settings, client: redis.Redis, check: Callable[[], None]) -> None:
    from streams.cli.progress import bar
    from streams.replay.waiting import wait_until_published

    with bar("waiting") as show:

        def on_progress(progress: Progress) -> None:
            check()
            show(f"{progress.stage} {progress.topic}", progress.done, progress.total)

        wait_until_published(settings, client, on_progress=on_progress)


def _outcomes(settings: Settings, client: redis.Redis) -> dict[str, int]:
    from streams.reader import Reader

    return Reader(settings, client).stats().outcomes


def _with_scores(
    result: dict[str, Any], before: dict[str, int], settings: Settings, client: redis.Redis, top: int
) -> dict[str, Any]:
    from streams.reader import Reader

    reader = Reader(settings, client)
    after = reader.stats().outcomes
    counts = {name: after[name] - before[name] for name in ("applied", "self", "duplicate", "refused")}
    return {
        "events": result["events"],
        "applied": counts["applied"],
        "self": counts["self"],
        "duplicates": counts["duplicate"],
        "dead_letters": counts["refused"],
        "accounts": reader.size(),
        "seconds": result["seconds"],
        "events_per_second": result["events_per_second"],
        "top": top_rows(reader, top),
    }


def top_rows(reader: Any, n: int) -> list[dict[str, Any]]:
    """Return the `n` leading accounts as `--json` prints them."""
    return [{name: row[name] for name in ROW} for row in (standing.as_dict() for standing in reader.top(n=n))]


def _print(result: dict[str, Any], *, as_json: bool) -> None:
    from streams.cli.output import print_json
    from streams.cli.progress import print_counts, print_rows

    if as_json:
        print_json(result)
        return
    print_rows(result.pop("top", []))
    print_counts(result)
