"""`topics`: create the Kafka topics of a deployment, or check that they are as they must be."""

from __future__ import annotations

import argparse
from typing import Any

from streams.settings import Settings


def register(subparsers: Any) -> None:
    """Add `topics create|check`."""
    parser = subparsers.add_parser(
        "topics", help="create or check the Kafka topics", description="Create or check the Kafka topics."
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, what in (
        ("create", "create what is missing, then check"),
        ("check", "check that they exist, their partitions, and what is set on them"),
    ):
        actions.add_parser(name, help=what, description=what).add_argument("--json", action="store_true", help="one JSON object")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Create or check; topics that don't fit end it with exit code 78."""
    from streams.cli.output import console, print_json
    from streams.kafka.topics import check_topics, create_topics, topic_specs

    created = create_topics(settings) if args.action == "create" else []
    if args.action == "check":
        check_topics(settings)
    specs = topic_specs(settings)
    if args.json:
        topics = [
            {"name": spec.name, "holds": spec.holds, "partitions": spec.partitions, "created": spec.name in created}
            for spec in specs
        ]
        print_json({"partitions": settings.partitions, "topics": topics})
        return 0
    for spec in specs:
        state = "created" if spec.name in created else "ok"
        console().print(
            f"{state:<8} {spec.name}  {spec.partitions} partition{'s' * (spec.partitions != 1)}  {spec.holds}", soft_wrap=True
        )
    return 0
