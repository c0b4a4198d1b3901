"""`doctor`: whether everything a deployment depends on is as it must be, and every setting."""

from __future__ import annotations

import argparse
import dataclasses
from typing import Any

from streams.secret import Secret
from streams.settings import PREFIX, Settings

_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def register(subparsers: Any) -> None:
    """Add `doctor`."""
    parser = subparsers.add_parser("doctor", help="check the deployment", description="Check Kafka, topics, Redis and lag.")
    parser.add_argument("--settings", action="store_true", help="print every setting instead: value, default, meaning")
    parser.add_argument("--json", action="store_true", help="one JSON array")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Print findings as they come; the first failure decides the exit code."""
    if args.settings:
        print_settings(settings, as_json=args.json)
        return 0
    from itertools import chain

    from rich.text import Text

    from streams.cli.checks import redis_checks
    from streams.cli.kafka_checks import kafka_checks
    from streams.cli.output import console, print_json, printable

    out, found = console(), []
    for check in chain(redis_checks(settings), kafka_checks(settings)):
        found.append(check)
        if not args.json:
            line = Text.assemble((f"{check.status:<5}", _STYLES[check.status]), f"{check.name:<20} ", printable(check.says))
            out.print(line, soft_wrap=True)
    if args.json:
        print_json([check.as_dict() for check in found])
    return next((check.exit_code for check in found if check.status == "fail"), 0)


def print_settings(settings: Settings, *, as_json: bool) -> None:
    """Print every setting; passwords are not shown."""
    from rich.table import Table
    from rich.text import Text

    from streams.cli.output import console, print_json, printable

    rows = []
    for f in dataclasses.fields(settings):
        value = _shown(f.name, getattr(settings, f.name))
        rows.append({"variable": PREFIX + f.name.upper(), "value": value, "default": f.default, "help": f.metadata["help"]})
    if as_json:
        print_json(rows)
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in rows[0]:
        table.add_column(name, overflow="fold", no_wrap=name == "variable")
    for row in rows:
        style = "" if row["value"] == row["default"] else "bold"
        table.add_row(*(Text(printable(str(cell))) for cell in row.values()), style=style)
    console().print(table)


def _shown(name: str, value: Any) -> Any:
    from streams.redis.client import address

    if isinstance(value, Secret):
        return "***" if value else ""
    return address(value) if name == "redis" else value
