"""`ingest x`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streams.cli.sources.shared import add_ca_file, add_token_file
from streams.settings import Settings

if TYPE_CHECKING:
    from streams.sources.source import Source


def add(subparsers: Any) -> argparse.ArgumentParser:
    """Add `x` and its options."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "x",
        help="X's filtered stream, or a file of its messages",
        description="Read X by its API v2; the token is in X_BEARER_TOKEN.",
    )
    parser.add_argument("--rule", action="append", metavar="TEXT", help="a rule that the app shall have; several by repeating")
    parser.add_argument("--backfill", action="store_true", help="ask for up to 5 minutes again; not every plan has it")
    parser.add_argument("--api", default="https://api.x.com", metavar="URL", help="where the API is")
    parser.add_argument("--file", type=Path, metavar="FILE", help="read lines or pages of the API from a file instead")
    add_token_file(parser)
    add_ca_file(parser)
    return parser


def make(args: argparse.Namespace, _settings: Settings) -> tuple[Source, str]:
    """Return the source, and what its position is stored by."""
    from streams.sources.file.source import File
    from streams.sources.secret import read_token
    from streams.sources.x.mapping import Mapping
    from streams.sources.x.source import Options, X

    if args.file is not None:
        mapping = Mapping()
        return File(args.file, lambda _, line: mapping.map(line)), f"x file {args.file.resolve()}"
    token = read_token("X_BEARER_TOKEN", args.token_file)
    return X(Options(token, args.rule or (), args.backfill, args.api, ca_file=args.ca_file)), "x"
