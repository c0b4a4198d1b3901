"""`score`, `why` and `history`: one account's or topic's score with its parts, what moved it, and how it went."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from streams.cli.amounts import positive_int
from streams.errors import UsageError
from streams.settings import Settings

if TYPE_CHECKING:
    from streams.reader import Point, Rank, Reader, Score


def register(subparsers: Any) -> None:
    """Add the three."""
    score = subparsers.add_parser("score", help="one score and its parts", description="Print a score and what it is made of.")
    why = subparsers.add_parser("why", help="why a score moved", description="Print the last statements of why a score moved.")
    why.add_argument("-n", type=positive_int, default=5, metavar="N", help="statements to print (default 5)")
    history = subparsers.add_parser("history", help="how a score went", description="Draw how a score went, change by change.")
    history.add_argument("-n", type=positive_int, metavar="N", help="changes to look back (default: all that are kept)")
    for parser, says in (
        (score, "one JSON object, or null where no score is kept"),
        (why, "one JSON array, newest first"),
        (history, "one JSON array, newest first"),
    ):
        parser.add_argument(
            "account", nargs="?", metavar="ACCOUNT", help="id as in the events; put -- before one that starts with -"
        )
        parser.add_argument("--topic", metavar="TAG", help="inside this topic; without ACCOUNT, the topic itself")
        parser.add_argument("--json", action="store_true", help=says)


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Print what was asked for."""
    if args.account is None and args.topic is None:
        raise UsageError(f"{args.command}: no account given; expected ACCOUNT, --topic TAG or both")
    from streams.reader import Reader

    commands: dict[str, Callable[[argparse.Namespace, Reader], None]] = {"score": _score, "why": _why, "history": _history}
    with Reader.connect(settings) as reader:
        commands[args.command](args, reader)
    return 0


def _entity(args: argparse.Namespace) -> str:
    from streams import entities

    if args.account is None:
        return entities.topic(args.topic)
    return entities.of_member(args.account, "all" if args.topic is None else entities.topic(args.topic))


def _asked(args: argparse.Namespace) -> dict[str, str]:
    return {name: value for name, value in (("account", args.account), ("topic", args.topic)) if value is not None}


def _title(args: argparse.Namespace) -> str:
    from streams.cli.output import printable

    return " in ".join(printable(value) for value in _asked(args).values())


def _score(args: argparse.Namespace, reader: Reader) -> None:
    from streams import entities
    from streams.cli.output import print_json

    entity = _entity(args)
    found = reader.score(entity)
    scope = entities.board_scope(entities.parse(entity))
    rank = reader.rank(args.account if args.account is not None else args.topic, scope) if found else None
    of = rank.size if rank else reader.size(scope)
    if args.json:
        place = rank.as_dict() if rank else {}
        places = {name: place.get(name) for name in ("rank", "ties", "percentile")}
        print_json(None if found is None else {**_asked(args), **found.as_dict(), **places, "of": of})
    else:
        _print_score(_title(args), found, rank)


def _print_score(title: str, found: Score | None, rank: Rank | None) -> None:
    from streams.cli.output import console

    out = console()
    if found is None:
        out.print(f"no score is kept for {title}")
        return
    place = ""
    if rank is not None:
        shared = f", shared with {rank.ties} more" if rank.ties else ""
        place = f"   #{rank.rank} of {rank.size}{shared}, above {rank.percentile:.1f} %"
    out.print(f"{title}   {found.score:.1f} ± {found.plus_minus:.1f}{place}", style="bold", soft_wrap=True)
    if found.provisional:
        out.print("provisional: too few people to say more")
    for name, points, why in (
        ("reach", found.reach_pts, f"{found.reach:.1f} people engaged, fading"),
        ("network", found.network_pts, f"{found.network:.1f} by their own standing"),
        ("amplification", found.amplification_pts, "engagement per post against the usual"),
    ):
        out.print(f"  {name:<14}{points:+6.1f}   {why}")
    out.print(f"  {'momentum':<14}{found.momentum:+6.1f}   +5 is twice the usual pace, at the last engagement")
    out.print(f"  {found.posts} posts, {found.likes} likes, {found.shares} shares, {found.replies} replies received")


def _why(args: argparse.Namespace, reader: Reader) -> None:
    from streams.cli.output import console, print_json
    from streams.cli.statement import lines

    statements = reader.why(_entity(args), args.n)
    if args.json:
        print_json(statements)
        return
    out = console()
    if not statements:
        out.print(f"nothing is recorded of why the score of {_title(args)} moved")
    for statement in statements:
        for line in lines(statement):
            out.print(line, soft_wrap=True)


def _history(args: argparse.Namespace, reader: Reader) -> None:
    from streams.cli.output import print_json

    points = reader.history(_entity(args), args.n)
    if args.json:
        print_json([point.as_dict() for point in points])
    else:
        _print_history(_title(args), points)


def _print_history(title: str, points: list[Point]) -> None:
    from streams.cli.chart import labelled, sampled
    from streams.cli.output import at_utc, console

    out = console()
    if not points:
        out.print(f"no change of the score of {title} is kept")
        return
    first, last = points[-1], points[0]
    changes = f"{len(points)} change{'s' if len(points) > 1 else ''}"
    out.print(f"{title}   {changes}, {at_utc(first.at)} to {at_utc(last.at)} UTC", style="bold", soft_wrap=True)
    out.print(labelled(sampled(points, max(8, min(out.width, 120) - 14))), soft_wrap=True)
