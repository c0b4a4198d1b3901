"""Options that several sources have."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streams.sources.file.mapping import FieldMap


def add_ca_file(parser: argparse.ArgumentParser) -> None:
    """Add the authority of the host's certificate."""
    parser.add_argument("--ca-file", type=Path, metavar="FILE", help="authority that signed the host's certificate, as PEM")


def add_token_file(parser: argparse.ArgumentParser) -> None:
    """Add where the token is."""
    parser.add_argument("--token-file", type=Path, metavar="FILE", help="a file with the token, instead of the environment")


def add_mapping(parser: argparse.ArgumentParser) -> None:
    """Add those that say which value is which field."""
    parser.add_argument(
        "--map", default="", metavar="FIELD=NAME,...",
        help="which value is which field of an event, as in actor=user.id,at=created; :TEXT for a constant",
    )  # fmt: skip
    parser.add_argument("--kinds", default="", metavar="KIND=EVENT,...", help="what the kinds are, as in star=like,fork=share")
    parser.add_argument("--time-unit", choices=("s", "ms", "us"), default="s", help="of times that are numbers (default s)")
    parser.add_argument("--network", metavar="NAME", help="the `network` of its events")


def field_map(args: argparse.Namespace) -> FieldMap:
    """Return the mapping that they say."""
    from streams.sources.file.mapping import FieldMap, pairs

    return FieldMap(pairs(args.map, "--map"), pairs(args.kinds, "--kinds"), args.time_unit, args.network)
