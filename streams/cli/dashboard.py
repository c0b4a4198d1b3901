"""`dashboard`: the live page and its HTTP API."""

from __future__ import annotations

import argparse
import dataclasses
from typing import Any

from streams.settings import PREFIX, Settings


def register(subparsers: Any) -> None:
    """Add `dashboard`."""
    parser = subparsers.add_parser(
        "dashboard",
        help="the live page and its HTTP API",
        description="Serve the live page: leaderboards, accounts with their reasons, campaigns and alerts; and the same as JSON "
        "under /api/v1, described by /api/v1/openapi.json. Ctrl-C ends it.",
    )
    parser.add_argument("--listen", metavar="HOST:PORT", help="overrides CLOUTSTREAM_DASHBOARD")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Serve until SIGTERM or Ctrl-C."""
    import uvloop

    from streams.cli.output import console
    from streams.listening import listen, url_of
    from streams.web.server import serve

    if args.listen is not None:
        settings = dataclasses.replace(settings, dashboard=args.listen)
    listening = listen(f"{PREFIX}DASHBOARD", settings.dashboard)
    where = f"dashboard at {url_of(listening)}"

    def tell() -> None:
        asks = "; it asks for CLOUTSTREAM_DASHBOARD_TOKEN" if settings.dashboard_token else ""
        console().print(where + asks, soft_wrap=True)

    with listening:
        uvloop.run(serve(settings, listening, tell))
    return 0
