"""`worker`: checks everything it depends on, then runs the agents until it is told to stop."""

from __future__ import annotations

import argparse
import os
import signal
from typing import Any, NoReturn

from streams.settings import Settings


def register(subparsers: Any) -> None:
    """Add `worker`."""
    parser = subparsers.add_parser(
        "worker",
        help="run the agents",
        description="Read events, keep scores, publish them to Redis. Start as many as there are partitions, at most.",
    )
    parser.add_argument("--no-create-topics", action="store_true", help="fail on a missing topic instead of creating it")


def run(args: argparse.Namespace, settings: Settings) -> NoReturn:
    """Run until SIGTERM or Ctrl-C."""
    from streams.kafka.topics import check_topics, create_topics
    from streams.redis.client import session

    # Until the worker has a handler of its own: process 1 of a container would ignore the signal. Not by an exception: where an
    # import's clean-up meets it, Python drops it, and the worker would start all the same.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    # A wrong address shows itself here, in one line. Redis going away later stops nothing.
    with session(settings):
        pass
    if args.no_create_topics:
        check_topics(settings)
    else:
        create_topics(settings)
    from agents.worker import run as run_worker

    run_worker(settings)
