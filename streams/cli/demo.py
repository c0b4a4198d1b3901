"""`demo`: broker, Redis, worker, a made-up network, the live board and page, in one command and all gone at its end."""

from __future__ import annotations

import argparse
import asyncio
import concurrent.futures
import contextlib
import os
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from streams.cli.amounts import positive_float
from streams.settings import Settings

if TYPE_CHECKING:
    from streams.reader import Reader
    from streams.worker_process import WorkerProcess

ACCOUNTS = 20_000
RATE_PER_S = 1_500.0
# A day in four minutes, so that one sees it pass, and a burst about every quarter of a minute.
NETWORK = {"day_s": 240.0, "swing_ratio": 0.5, "burst_every_s": 15.0}
# Half-lives are as much shorter as its day is, or nothing would be unusual before an hour has passed.
SETTINGS = {"half_life_slow_s": 30 * 240.0, "half_life_day_s": 240.0, "half_life_fast_s": 20.0}
PLACES = 10
_INTERVAL_S = 0.5
_LOOK_S = 0.05
_READY_TIMEOUT_S = 12.0


def register(subparsers: Any) -> None:
    """Add `demo`."""
    parser = subparsers.add_parser(
        "demo",
        help="everything in one command",
        description="Start a broker, a Redis, a worker and a made-up network, and show the leaderboard as it moves, with a "
        "campaign and alerts; a live page shows more. Ctrl-C ends it all. See `cloutstream simulate --help` for who is who.",
    )
    parser.add_argument("--seconds", type=positive_float, metavar="N", help="end after so long (default: Ctrl-C ends it)")
    parser.add_argument("--json", action="store_true", help="no board; one JSON object at the end")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Run until the time is over or Ctrl-C, then print what was measured."""
    from streams.cli.demo_page import ADDRESS, page_served
    from streams.cli.demo_watched import define
    from streams.cli.output import console
    from streams.embedded import embedded_settings
    from streams.kafka.topics import create_topics
    from streams.listening import listen, url_of
    from streams.reader import Reader
    from streams.redis.client import session
    from streams.worker_process import ended_by_sigterm, worker_process

    with ended_by_sigterm(), contextlib.ExitStack() as stack:
        # Taken before anything runs, so that it can be said first; who comes early waits.
        listening = stack.enter_context(listen("the demo's page", ADDRESS))
        page = url_of(listening)
        console(to_stderr=True).print(f"starting a broker, a Redis, a worker and a live page: {page}", soft_wrap=True)
        settings = stack.enter_context(embedded_settings(os.environ, **SETTINGS, dashboard=ADDRESS))
        create_topics(settings)
        worker = stack.enter_context(worker_process(settings))
        define(settings)  # while the worker starts
        reader = Reader(settings, stack.enter_context(session(settings)))
        await_ready(reader, worker)
        serving = stack.enter_context(page_served(settings, listening))
        network = stack.enter_context(_Network(settings))

        def check() -> None:
            worker.check()
            network.check()
            if serving.done():
                serving.result()

        with contextlib.suppress(KeyboardInterrupt):
            _show(args, reader, page, check)
        network.stop()
        worker.check()
        _report(args, reader, network)
    return 0


class _Network:
    """The simulation on a thread of its own; a context manager that starts and ends it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._ended = threading.Event()
        self._threads = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="network")
        self._begun = time.monotonic()
        self.events = 0
        self.seconds = 0.0

    def __enter__(self) -> _Network:
        self._running = self._threads.submit(self._run)
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._threads.shutdown()

    def check(self) -> None:
        """Raise what ended the simulation, if anything did."""
        if self._running.done():
            self._running.result()

    def stop(self) -> None:
        """End the simulation; everything counted in `events` is in Kafka then."""
        self._ended.set()
        self._running.result()

    def _run(self) -> None:
        from streams.cli.simulate import feed_simulation

        def on_sent(count: int) -> bool:
            self.events, self.seconds = count, time.monotonic() - self._begun
            return not self._ended.is_set()

        asyncio.run(
            feed_simulation(
                self._settings, accounts=ACCOUNTS, rate_per_s=RATE_PER_S, seed=1, seconds=None, on_sent=on_sent, **NETWORK
            )
        )


def await_ready(reader: Reader, worker: WorkerProcess) -> None:
    """Return when the worker has said in Redis that it is there; events sent earlier would only measure its start."""
    deadline = time.monotonic() + _READY_TIMEOUT_S
    while not reader.is_complete() and time.monotonic() < deadline:
        worker.check()
        time.sleep(_LOOK_S)


def _show(args: argparse.Namespace, reader: Reader, page: str, check: Callable[[], None]) -> None:
    """Show the board, or with `--json` nothing, until the time is over; `check` raises when something of it has ended."""
    from streams.cli.board import Follower, draw
    from streams.cli.demo_watched import watched
    from streams.cli.output import console
    from streams.cli.watch import live

    def is_over() -> bool:
        check()
        return False

    screen = console()
    if screen.is_terminal and not args.json:
        live(
            reader, screen, interval_s=_INTERVAL_S, seconds=args.seconds, until=is_over, page=page, below=lambda: watched(reader)
        )
        return
    follower, end = Follower(reader), float("inf") if args.seconds is None else time.monotonic() + args.seconds
    while time.monotonic() < end:
        is_over()
        time.sleep(min(_INTERVAL_S, max(0.0, end - time.monotonic())))
        if not args.json:  # into a file or a pipe: one picture after the other
            screen.print(draw(follower.frame(PLACES, time.monotonic()), screen.width, page=page, below=watched(reader)))


def _report(args: argparse.Namespace, reader: Reader, network: _Network) -> None:
    from streams.cli.output import print_json
    from streams.cli.progress import print_counts, print_rows
    from streams.cli.replay import top_rows

    rows = reader.partition_stats().values()
    latency = {name: max((float(row.get(name, 0)) for row in rows), default=0.0) for name in ("latency_p50_ms", "latency_p99_ms")}
    result = {"events": network.events, "events_per_second": round(network.events / max(network.seconds, 1e-9), 1), **latency}
    top = top_rows(reader, PLACES)
    if args.json:
        print_json({**result, "top": top})
        return
    print_rows(top)
    print_counts(result)
