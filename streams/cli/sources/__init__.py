"""The sources of `ingest`: their options, and how each is made of them. What they import to run is imported then."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from streams.cli.sources import activitystreams, bluesky, cloudevents, custom, file, mastodon, x
from streams.settings import Settings

if TYPE_CHECKING:
    from streams.sources.source import Source

SOURCES = (bluesky, x, mastodon, activitystreams, cloudevents, file, custom)


def add_sources(subparsers: Any) -> Iterator[argparse.ArgumentParser]:
    """Add a parser for each source; yields them for the options that all have."""
    for source in SOURCES:
        parser = source.add(subparsers)
        parser.set_defaults(make=source.make)
        yield parser


def make_source(args: argparse.Namespace, settings: Settings) -> tuple[Source, str]:
    """Return the source that was asked for, and what its position is stored by.

    Raises:
        UsageError, ConfigurationError: its options don't fit.
    """
    made: tuple[Source, str] = args.make(args, settings)
    return made
