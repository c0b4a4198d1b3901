"""`ingest activitystreams`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streams.cli.sources.shared import add_token_file
from streams.settings import Settings

if TYPE_CHECKING:
    from streams.sources.source import Source


def add(subparsers: Any) -> argparse.ArgumentParser:
    """Add `activitystreams` and its options."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "activitystreams",
        help="an ActivityPub inbox, or a file of activities",
        description="Take activities at an HTTP inbox, or from a file with one a line. Signatures are not checked.",
    )
    parser.add_argument("--listen", default="127.0.0.1:8090", metavar="HOST:PORT", help="of the inbox (default 127.0.0.1:8090)")
    parser.add_argument("--file", type=Path, metavar="FILE", help="read activities from a file instead")
    add_token_file(parser)
    return parser


def make(args: argparse.Namespace, _settings: Settings) -> tuple[Source, str]:
    """Return the source, and what its position is stored by."""
    from streams.sources.activitystreams.inbox import Inbox
    from streams.sources.activitystreams.mapping import Mapping, Received
    from streams.sources.file.source import File
    from streams.sources.secret import read_token

    if args.file is not None:
        mapping = Mapping()
        return File(args.file, lambda _, line: mapping.map(Received(line))), f"activitystreams file {args.file.resolve()}"
    return Inbox(args.listen, read_token("ACTIVITYSTREAMS_TOKEN", args.token_file)), "activitystreams"
