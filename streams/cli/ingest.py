"""`ingest`: a real network, or a file, into Kafka."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import signal
from typing import TYPE_CHECKING, Any

from streams.cli.amounts import positive_float
from streams.cli.sources import add_sources, make_source
from streams.settings import Settings

if TYPE_CHECKING:
    from streams.sources.source import Source

REPORT_S = 10.0


def register(subparsers: Any) -> None:
    """Add `ingest`, with a command for each source."""
    parser = subparsers.add_parser(
        "ingest",
        help="bring a real network in",
        description="Read a network, or a file, and send what happens there to the first input topic; goes on where it stopped.",
    )
    sources = parser.add_subparsers(dest="source", required=True, metavar="SOURCE")
    for source in add_sources(sources):
        source.add_argument("--from-scratch", action="store_true", help="forget where an earlier run stopped")
        source.add_argument("--seconds", type=positive_float, metavar="N", help="end after so long (default: SIGTERM or Ctrl-C)")
        source.add_argument(
            "--operations",
            metavar="HOST:PORT",
            help="where it answers on its health and metrics; overrides CLOUTSTREAM_OPERATIONS",
        )
        source.add_argument("--no-create-topics", action="store_true", help="fail on a missing topic instead of creating it")
        source.add_argument(
            "--embedded",
            action="store_true",
            help="with a broker, a Redis and a worker of its own and the live board; gone at the end",
        )
        source.add_argument("--json", action="store_true", help="one JSON object at the end")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Go on until the source ends, the time is over, or SIGTERM or Ctrl-C; all of these are good ends."""
    from streams.cli.ingest_view import as_dict, print_counts
    from streams.cli.output import print_json
    from streams.kafka.topics import check_topics, create_topics, source_topic_specs
    from streams.sources.run import Ingest

    if args.embedded:
        from streams.cli.ingest_embedded import run as run_embedded

        return run_embedded(args)
    if args.operations is not None:
        settings = dataclasses.replace(settings, operations=args.operations)
    source, key = make_source(args, settings)
    for specs in (None, source_topic_specs(settings)):
        if args.no_create_topics:
            check_topics(settings, specs)
        else:
            create_topics(settings, specs)
    ingest = Ingest(settings, source, key)
    asyncio.run(_run(ingest, source, args, settings))
    if args.json:
        print_json(as_dict(source, ingest.counts))
    else:
        print_counts(source, ingest.counts)
    return 0


async def _run(ingest: Any, source: Source, args: argparse.Namespace, settings: Settings) -> None:
    from streams.cli.ingest_view import shown
    from streams.sources.operations import operations

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if args.seconds:
        loop.call_later(args.seconds, stop.set)
    async with operations(settings, source, ingest.counts) as url, shown(source, ingest.counts, REPORT_S) as tell:
        source.tell = tell
        tell(f"health and metrics at {url}" if url else "no health and metrics: CLOUTSTREAM_OPERATIONS is empty")
        await ingest.run(stop, from_scratch=args.from_scratch)
