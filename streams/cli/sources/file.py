"""`ingest file`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streams.cli.sources.shared import add_mapping, field_map
from streams.errors import UsageError
from streams.settings import Settings

if TYPE_CHECKING:
    from streams.sources.source import Source


def add(subparsers: Any) -> argparse.ArgumentParser:
    """Add `file` and its options."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "file", help="a file, plain or gzip", description="Read a file of events of any layout; ends at its end."
    )
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.add_argument("--preset", choices=("events", "higgs", "gharchive", "steem"), help="a known layout")
    parser.add_argument("--format", choices=("json", "csv", "tsv"), help="of the lines; by default what the name ends with")
    parser.add_argument("--columns", metavar="A,B,...", help="names of the columns, where the first line doesn't have them")
    add_mapping(parser)
    return parser


def make(args: argparse.Namespace, _settings: Settings) -> tuple[Source, str]:
    """Return the source, and what its position is stored by."""
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
    return File(args.file, mapped_rows(Rows(format, columns), field_map(args), args.file.name)), key
