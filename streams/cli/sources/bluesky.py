"""`ingest bluesky`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streams.cli.amounts import positive_float
from streams.cli.sources.shared import add_ca_file
from streams.settings import Settings

if TYPE_CHECKING:
    from streams.sources.source import Source


def add(subparsers: Any) -> argparse.ArgumentParser:
    """Add `bluesky` and its options."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "bluesky", help="all of Bluesky, by Jetstream; needs no key", description="Read Bluesky by way of Jetstream."
    )
    parser.add_argument(
        "--host", action="append", metavar="HOST", help="a Jetstream, as a name or a wss:// URL; several are taken in turn"
    )
    parser.add_argument("--jetstream", type=int, choices=(1, 2), default=1, help="version of Jetstream (default 1)")
    parser.add_argument(
        "--overlap", type=positive_float, default=5.0, metavar="S", help="seconds read again when connecting again"
    )
    parser.add_argument("--compress", action="store_true", help="ask for frames compressed with zstd")
    parser.add_argument("--zstd-dictionary", type=Path, metavar="FILE", help="the dictionary of version 1")
    add_ca_file(parser)
    return parser


def make(args: argparse.Namespace, _settings: Settings) -> tuple[Source, str]:
    """Return the source, and what its position is stored by."""
    from streams.sources.bluesky.jetstream import Jetstream, Options

    return Jetstream(
        Options(
            args.host or (), args.jetstream, args.overlap, is_compressed=args.compress,
            dictionary=args.zstd_dictionary, ca_file=args.ca_file,
        )
    ), "bluesky"  # fmt: skip
