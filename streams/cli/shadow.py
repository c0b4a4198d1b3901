"""`shadow`: who would move under another formula, before it replaces the one in force."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from streams.cli.amounts import positive_int
from streams.settings import Settings

if TYPE_CHECKING:
    from streams.shadow import Shadow


def register(subparsers: Any) -> None:
    """Add `shadow`."""
    parser = subparsers.add_parser(
        "shadow",
        help="who would move under another formula",
        description="Compute all scores from the entities table in Kafka with another setting, or with this release of "
        "Cloutstream, and compare them with those in force. Nothing is written.",
    )
    parser.add_argument(
        "--set",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="network_weight, amplification_k or usual_engagement_per_post; repeatable",
    )
    parser.add_argument("-n", type=positive_int, default=10, metavar="N", help="how many of those that move most (default 10)")
    parser.add_argument("--json", action="store_true", help="one JSON object")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Print how many scores move by how much, and which most."""
    from streams.cli.output import print_json
    from streams.cli.progress import bar
    from streams.shadow import compare, with_settings
    from streams.verify.table import read_tables

    other = with_settings(settings, args.set)
    with bar("reading the entities table"):
        tables = read_tables(settings)
    # With nothing else set it is this release that is tried, against the scores that were told.
    found = compare(tables.values(), settings if args.set else None, other)
    if args.json:
        print_json(found.as_dict(args.n))
    else:
        _print(found, args.n)
    return 0


def _print(found: Shadow, n: int) -> None:
    from rich.table import Table
    from rich.text import Text

    from streams.cli.output import clipped, console

    out = console()
    out.print(f"{len(found.names):,} entities", style="bold")
    for points, count in found.moved.items():
        out.print(f"  {count:>10,} move by more than {points:g} points")
    out.print(f"  {found.kept} of the first {found.first} accounts stay among them")
    movers = found.most_moved(n)
    if movers:
        table = Table(box=None, header_style="bold", pad_edge=False)
        table.add_column("entity", overflow="fold", min_width=12)
        for name in ("before", "after", "moves"):
            table.add_column(name, justify="right", no_wrap=True)
        for m in movers:
            moves = m["after"] - m["before"]
            table.add_row(Text(clipped(m["entity"])), f"{m['before']:.1f}", f"{m['after']:.1f}", f"{moves:+.1f}")
        out.print(table)
    if found.is_breaking:
        out.print("workers would refuse to publish this; CLOUTSTREAM_RESCORE=accept allows it", soft_wrap=True)
