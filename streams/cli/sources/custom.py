"""`ingest custom`: a source of the user's own."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from typing import TYPE_CHECKING, Any

from streams.errors import UsageError
from streams.settings import Settings

if TYPE_CHECKING:
    from streams.sources.source import Source


def add(subparsers: Any) -> argparse.ArgumentParser:
    """Add `custom` and its options."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "custom", help="a source of your own", description="Read a source of your own: a subclass of streams.sources.Source."
    )
    parser.add_argument("target", metavar="MODULE:CLASS", help="where it is; the class is made without arguments")
    return parser


def make(args: argparse.Namespace, _settings: Settings) -> tuple[Source, str]:
    """Return the source, and what its position is stored by."""
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
