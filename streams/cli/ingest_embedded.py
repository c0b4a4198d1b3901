"""`ingest --embedded`: broker, Redis, worker, a real network and the live board, all in one command and all gone at its end."""

from __future__ import annotations

import argparse
import asyncio
import concurrent.futures
import contextlib
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from streams.cli.demo import PLACES, await_ready
from streams.cli.sources import make_source
from streams.settings import Settings

if TYPE_CHECKING:
    from rich.text import Text

    from streams.reader import Reader
    from streams.sources.counts import Counts
    from streams.sources.run import Ingest
    from streams.sources.source import Source
    from streams.worker_process import WorkerProcess

INTERVAL_S = 0.5
MOST_TOLD = 20
PICTURE_S = 5.0  # without a terminal: one picture after the other


def run(args: argparse.Namespace) -> int:
    """Run until the source ends, the time is over, SIGTERM or Ctrl-C; then print the leaders and what came of the messages."""
    from streams.cli.output import console
    from streams.embedded import embedded_settings
    from streams.kafka.topics import create_topics, source_topic_specs
    from streams.reader import Reader
    from streams.redis.client import session
    from streams.replay.waiting import wait_until_published
    from streams.worker_process import ended_by_sigterm, worker_process

    with ended_by_sigterm(), contextlib.ExitStack() as stack:
        console(to_stderr=True).print("starting a broker, a Redis and a worker ...")
        source, key = make_source(args, Settings())  # what is wrong with its options shows before anything starts
        # Readers of recorded data take its newest time as now: by the wall clock years would have faded.
        settings = stack.enter_context(embedded_settings(os.environ, clock="wall" if source.is_live else "event"))
        for specs in (None, source_topic_specs(settings)):
            create_topics(settings, specs)
        source, key = make_source(args, settings)
        worker = stack.enter_context(worker_process(settings))
        client = stack.enter_context(session(settings))
        reader = Reader(settings, client)
        await_ready(reader, worker)
        with _running(settings, source, key) as (ingest, told, ended), contextlib.suppress(KeyboardInterrupt):
            _show(args, reader, worker, ended, lambda: _said(source, ingest.counts, told))
        wait_until_published(settings, client, on_progress=lambda _: worker.check())
        _report(args, reader, source, ingest)
    return 0


@contextlib.contextmanager
def _running(
    settings: Settings, source: Source, key: str
) -> Iterator[tuple[Ingest, Sequence[str], concurrent.futures.Future[None]]]:
    """Run a source on a thread of its own; what it has to tell is printed at the end, for the board has the screen."""
    from streams.cli.output import clipped, console
    from streams.sources.run import Ingest

    ingest, told = Ingest(settings, source, key), deque[str](maxlen=MOST_TOLD)
    source.tell = lambda line: told.append(f"{datetime.now(UTC):%H:%M:%S} {clipped(line, 300)}")
    loop, stop = asyncio.new_event_loop(), asyncio.Event()
    with concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="network") as threads:
        ended = threads.submit(loop.run_until_complete, ingest.run(stop))
        try:
            yield ingest, told, ended
        finally:
            with contextlib.suppress(RuntimeError):  # it has ended by itself
                loop.call_soon_threadsafe(stop.set)
            concurrent.futures.wait([ended])
            loop.close()
            for line in told:
                console(to_stderr=True).print(f"{source.name}: {line}", soft_wrap=True)
        ended.result()


def _said(source: Source, counts: Counts, told: Sequence[str]) -> list[Text]:
    """Return what stands below the board: rate, age and counts, and what the source told last."""
    from rich.text import Text

    from streams.cli.ingest_view import pace, totals

    lines = [Text(f"{source.name}: {pace(source, counts, time.time(), time.monotonic())}"), Text(totals(counts))]
    return lines + [Text(line, style="yellow") for line in list(told)[-1:]]


def _show(
    args: argparse.Namespace,
    reader: Reader,
    worker: WorkerProcess,
    ended: concurrent.futures.Future[None],
    below: Callable[[], Sequence[Text]],
) -> None:
    """Show the board until the source ends or the time is over."""
    from streams.cli.board import Follower, draw
    from streams.cli.output import console
    from streams.cli.watch import live

    def is_over() -> bool:
        worker.check()
        return ended.done()

    screen = console()
    if screen.is_terminal and not args.json:
        live(reader, screen, interval_s=INTERVAL_S, seconds=args.seconds, until=is_over, below=below)
        return
    follower, begun = Follower(reader), time.monotonic()
    shown_s = begun
    while not is_over() and (args.seconds is None or time.monotonic() - begun < args.seconds):
        time.sleep(0.05)
        if not args.json and time.monotonic() - shown_s >= PICTURE_S:
            shown_s = time.monotonic()
            screen.print(draw(follower.frame(PLACES, shown_s), screen.width, below=below()))


def _report(args: argparse.Namespace, reader: Reader, source: Source, ingest: Ingest) -> None:
    from streams.cli.ingest_view import as_dict, print_counts
    from streams.cli.output import print_json
    from streams.cli.progress import print_rows
    from streams.cli.replay import top_rows

    top = top_rows(reader, PLACES)
    if args.json:
        print_json({**as_dict(source, ingest.counts), "top": top})
        return
    print_rows(top)
    print_counts(source, ingest.counts)
