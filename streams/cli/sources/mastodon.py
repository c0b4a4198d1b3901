"""`ingest mastodon`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from streams.cli.sources.shared import add_ca_file, add_token_file
from streams.settings import Settings

if TYPE_CHECKING:
    from streams.sources.source import Source


def add(subparsers: Any) -> argparse.ArgumentParser:
    """Add `mastodon` and its options."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "mastodon",
        help="a stream of a Mastodon server",
        description="Read a stream of a Mastodon server; the token is in MASTODON_TOKEN.",
    )
    parser.add_argument("server", metavar="SERVER", help="its name, as in mastodon.example, or its URL")
    parser.add_argument(
        "--stream", default="public", metavar="NAME", help="user, public, public:local, hashtag, ... (default public)"
    )
    parser.add_argument("--tag", default="", metavar="TAG", help="of a hashtag stream")
    parser.add_argument("--websocket", action="store_true", help="by WebSocket instead of server-sent events")
    add_token_file(parser)
    add_ca_file(parser)
    return parser


def make(args: argparse.Namespace, _settings: Settings) -> tuple[Source, str]:
    """Return the source, and what its position is stored by."""
    from streams.sources.mastodon.source import Mastodon, Options
    from streams.sources.secret import read_token

    token = read_token("MASTODON_TOKEN", args.token_file)
    options = Options(args.server, args.stream, args.tag, token, args.websocket, ca_file=args.ca_file)
    return Mastodon(options), f"mastodon {args.server} {args.stream} {args.tag}".rstrip()
