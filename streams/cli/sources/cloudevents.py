"""`ingest cloudevents`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from streams.cli.sources.shared import add_mapping, field_map
from streams.settings import Settings

if TYPE_CHECKING:
    from streams.sources.source import Source


def add(subparsers: Any) -> argparse.ArgumentParser:
    """Add `cloudevents` and its options."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "cloudevents",
        help="CloudEvents from another topic of the same Kafka",
        description="Read CloudEvents, structured and binary, from a topic. Their attributes are named ce_type, ce_id, ...",
    )
    parser.add_argument("topic", metavar="TOPIC")
    add_mapping(parser)
    return parser


def make(args: argparse.Namespace, settings: Settings) -> tuple[Source, str]:
    """Return the source, and what its position is stored by."""
    from streams.sources.cloudevents.source import CloudEvents

    return CloudEvents(settings, args.topic, field_map(args)), f"cloudevents {args.topic}"
