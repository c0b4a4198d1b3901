"""The sources of `ingest` by name: their options, and how each is made of them."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streams.cli.amounts import positive_float
from streams.errors import UsageError

if TYPE_CHECKING:
    from streams.sources.source import Source


def add_sources(subparsers: Any) -> Iterator[argparse.ArgumentParser]:
    """Add a parser for each source; yields them for the options that all have."""
    for add in (_add_bluesky, _add_file, _add_custom):
        yield add(subparsers)


def make_source(args: argparse.Namespace) -> tuple[Source, str]:
    """Return the source that was asked for, and what its position is stored by.

    Raises:
        UsageError, ConfigurationError: its options don't fit.
    """
    made: tuple[Source, str] = args.make(args)
    return made


def _add_bluesky(subparsers: Any) -> argparse.ArgumentParser:
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
    _add_ca_file(parser)
    parser.set_defaults(make=_bluesky)
    return parser


def _bluesky(args: argparse.Namespace) -> tuple[Source, str]:
    from streams.sources.bluesky.jetstream import Jetstream, Options

    return Jetstream(
        Options(
            args.host or (), args.jetstream, args.overlap, is_compressed=args.compress,
            dictionary=args.zstd_dictionary, ca_file=args.ca_file,
        )
    ), "bluesky"  # fmt: skip


def _add_file(subparsers: Any) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "file", help="a file, plain or gzip", description="Read a file of events of any layout; ends at its end."
    )
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.add_argument("--preset", choices=("events", "higgs", "gharchive", "steem"), help="a known layout")
    parser.add_argument("--format", choices=("json", "csv", "tsv"), help="of the lines; by default what the name ends with")
    parser.add_argument("--columns", metavar="A,B,...", help="names of the columns, where the first line doesn't have them")
    _add_mapping(parser)
    parser.set_defaults(make=_file)
    return parser


def _file(args: argparse.Namespace) -> tuple[Source, str]:
    from streams.sources.file.rows import FORMATS, Rows
    from streams.sources.file.source import File, mapped_rows, preset

    key = f"file {args.file.resolve()}"
    if args.preset is not None:
        if args.map or args.kinds or args.format or args.columns:
            raise UsageError("--preset is a mapping already; leave --map, --kinds, --format and --columns out")
        return File(args.file, preset(args.preset)), key
    ending = args.file.name.lower().removesuffix(".gz").rpartition(".")[2]
    format = args.format or {"jsonl": "json", "ndjson": "json"}.get(ending, ending)
    if format not in FORMATS:
        raise UsageError(f"{str(args.file)!r} could be anything; give --format json, csv or tsv, or a --preset")
    columns = [name.strip() for name in args.columns.split(",")] if args.columns else []
    return File(args.file, mapped_rows(Rows(format, columns), _field_map(args), args.file.name)), key


def _add_custom(subparsers: Any) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "custom", help="a source of your own", description="Read a source of your own: a subclass of streams.sources.Source."
    )
    parser.add_argument("target", metavar="MODULE:CLASS", help="where it is; the class is made without arguments")
    parser.set_defaults(make=_custom)
    return parser


def _custom(args: argparse.Namespace) -> tuple[Source, str]:
    import os
    import sys

    from streams.sources.source import Source

    module, _, name = args.target.partition(":")
    sys.path.insert(0, os.getcwd())  # a file beside which the command is started, as with `python -m`
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as e:
        raise UsageError(f"{args.target!r} can't be imported: {e}; expected MODULE:CLASS") from e
    if not (isinstance(found, type) and issubclass(found, Source)):
        raise UsageError(f"{args.target!r} is {found!r}; expected a subclass of streams.sources.Source")
    return found(), found.name


def _add_mapping(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--map", default="", metavar="FIELD=NAME,...",
        help="which value is which field of an event, as in actor=user.id,at=created; :TEXT for a constant",
    )  # fmt: skip
    parser.add_argument("--kinds", default="", metavar="KIND=EVENT,...", help="what the kinds are, as in star=like,fork=share")
    parser.add_argument("--time-unit", choices=("s", "ms", "us"), default="s", help="of times that are numbers (default s)")
    parser.add_argument("--network", metavar="NAME", help="the `network` of its events")


def _field_map(args: argparse.Namespace) -> Any:
    from streams.sources.file.mapping import FieldMap, pairs

    return FieldMap(pairs(args.map, "--map"), pairs(args.kinds, "--kinds"), args.time_unit, args.network)


def _add_ca_file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--ca-file", type=Path, metavar="FILE", help="authority that signed the host's certificate, as PEM")
