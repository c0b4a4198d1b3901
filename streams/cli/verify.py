"""`verify`: recounts Kafka's log and compares tables and Redis with it."""

from __future__ import annotations

import argparse
from typing import Any

from streams.errors import CloutstreamError
from streams.settings import Settings


def register(subparsers: Any) -> None:
    """Add `verify`."""
    parser = subparsers.add_parser(
        "verify",
        help="recount from Kafka and compare",
        description="Recount integers from the input topics and decayed values from engagements; compare tables and Redis.",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Print the comparison; a difference ends it with exit code 70."""
    from streams.cli.output import console, print_json, printable
    from streams.cli.progress import bar
    from streams.verify import verify

    with bar("verifying") as show:
        report = verify(settings, progress=show)
    if args.json:
        print_json(report.as_dict())
    else:
        for line in report.lines():
            console().print(printable(line), soft_wrap=True)
    return 0 if report.ok else CloutstreamError.exit_code
