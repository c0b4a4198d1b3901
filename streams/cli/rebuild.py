"""`rebuild`: has the workers write everything in Redis again from their tables."""

from __future__ import annotations

import argparse
import contextlib
import time
from typing import Any

from streams.cli.amounts import positive_float
from streams.errors import ServiceUnavailable
from streams.settings import Settings

_POLL_S = 0.2
_NOBODY_IN_IT = {"Empty", "Dead"}  # the embedded broker says "Unknown", whoever is in the group


def register(subparsers: Any) -> None:
    """Add `rebuild`."""
    parser = subparsers.add_parser(
        "rebuild",
        help="write Redis again from Kafka",
        description="Have the running workers write everything in Redis again, as they do by themselves after Redis was wiped.",
    )
    parser.add_argument("--timeout", type=positive_float, default=120.0, metavar="S", help="longest wait (default 120)")
    parser.add_argument("--json", action="store_true", help="one JSON object")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Delete the mark of completeness and wait until the workers have set it again."""
    from streams.cli.output import console, print_json
    from streams.cli.progress import bar
    from streams.reader import Reader
    from streams.redis.client import session

    _require_worker(settings)
    with session(settings) as client, bar("rebuilding") as show:
        reader = Reader(settings, client)
        client.delete(f"{settings.redis_prefix}epoch")
        begun = time.monotonic()
        while not reader.is_complete():
            waited_s = time.monotonic() - begun
            if waited_s > args.timeout:
                raise _no_worker(settings, f"Redis wasn't complete after {args.timeout:g} s; the rebuild goes on when one runs")
            # Readers see the old boards until every partition is written.
            token: Any = client.get(f"{settings.redis_prefix}rebuild:token") or b""
            done: Any = client.scard(f"{settings.redis_prefix}rebuild:done:{token.decode()}")
            show(f"rebuilding, {done} of {settings.partitions} partitions written", done, settings.partitions)
            time.sleep(_POLL_S)
        seconds, accounts = time.monotonic() - begun, reader.size()
    if args.json:
        print_json({"seconds": round(seconds, 3), "accounts": accounts})
    else:
        console().print(f"rebuilt in {seconds:.1f} s: {accounts:,} accounts on the board")
    return 0


def _require_worker(settings: Settings) -> None:
    from streams.kafka.clients import admin, reaching_kafka

    with contextlib.closing(admin(settings)) as client, reaching_kafka(settings):
        states = {group["group_id"]: group.get("group_state") for group in client.list_groups()}
    if settings.app_id not in states or states[settings.app_id] in _NOBODY_IN_IT:
        raise _no_worker(settings, "none is running; nothing was changed")


def _no_worker(settings: Settings, reason: str) -> ServiceUnavailable:
    return ServiceUnavailable("a worker", f"app {settings.app_id!r}", f"{reason}; start one with `cloutstream worker`")
