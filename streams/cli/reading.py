"""`top` and `score`: a leaderboard, and one account's or topic's score with its parts, as they stand now."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from streams.cli.amounts import natural_int, positive_int
from streams.errors import UsageError
from streams.settings import Settings

if TYPE_CHECKING:
    from streams.reader import Rank, Reader, Score, Standing


def register(subparsers: Any) -> None:
    """Add `top` and `score`."""
    top = subparsers.add_parser("top", help="the leaderboard", description="Print a leaderboard as it stands now.")
    top.add_argument("-n", type=positive_int, default=10, metavar="N", help="places to print (default 10)")
    top.add_argument("--offset", type=natural_int, default=0, metavar="N", help="places to leave out at the top")
    top.add_argument("--trending", action="store_true", help="by what moves now instead of by standing")
    scope = top.add_mutually_exclusive_group()
    scope.add_argument("--topic", metavar="TAG", help="accounts inside this topic")
    scope.add_argument("--topics", action="store_true", help="the topics themselves")
    top.add_argument("--json", action="store_true", help="one JSON array")
    score = subparsers.add_parser("score", help="one score and its parts", description="Print a score and what it is made of.")
    score.add_argument("account", nargs="?", metavar="ACCOUNT", help="id as in the events; put -- before one that starts with -")
    score.add_argument("--topic", metavar="TAG", help="inside this topic; without ACCOUNT, the topic's own score")
    score.add_argument("--json", action="store_true", help="one JSON object, or null where no score is kept")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Print what was asked for."""
    if args.command == "score" and args.account is None and args.topic is None:
        raise UsageError("score: no account given; expected ACCOUNT, --topic TAG or both")
    from streams.reader import Reader
    from streams.redis.client import session

    with session(settings) as client:
        reader = Reader(settings, client)
        return _top(args, reader) if args.command == "top" else _score(args, reader)


def _top(args: argparse.Namespace, reader: Reader) -> int:
    from streams import entities
    from streams.cli.output import print_json

    scope = "topics" if args.topics else entities.topic(args.topic) if args.topic is not None else "all"
    places = reader.top(scope, "trending" if args.trending else "standing", args.n, args.offset)
    if args.json:
        # On the board of topics the member is a tag; calling it an account would mislead.
        print_json([{("topic" if args.topics and k == "account" else k): v for k, v in p.as_dict().items()} for p in places])
    else:
        _print_places(places, "topic" if args.topics else "account", is_complete=reader.is_complete())
    return 0


def _print_places(places: list[Standing], what: str, *, is_complete: bool) -> None:
    from rich.table import Table
    from rich.text import Text

    from streams.cli.output import clipped, console

    out = console()
    if not is_complete:
        console(to_stderr=True).print("Redis isn't complete: no worker has published yet, or a rebuild is running")
    if not places:
        out.print("nobody is on this board yet")
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("#", justify="right")
    table.add_column(what, overflow="fold", min_width=12)
    for name in ("score", "±", "reach", "posts", "likes", "shares", "replies"):
        table.add_column(name, justify="right", no_wrap=True)
    for p in places:
        counts = (str(n) for n in (p.posts, p.likes, p.shares, p.replies))
        score = f"{p.score:.1f}{'?' if p.provisional else ' '}"
        table.add_row(
            str(p.rank), Text(clipped(p.account)), score, f"{p.plus_minus:.1f}", f"{p.reach:.0f}", *counts,
            style="dim" if p.provisional else "",
        )  # fmt: skip
    out.print(table)
    if any(p.provisional for p in places):
        out.print("? provisional: too few people to say more", style="dim")


def _score(args: argparse.Namespace, reader: Reader) -> int:
    from streams import entities
    from streams.cli.output import print_json

    entity = entities.account(args.account) if args.account is not None else entities.topic(args.topic)
    if args.account is not None and args.topic is not None:
        entity += "@" + entities.topic(args.topic)
    found = reader.score(entity)
    scope = entities.board_scope(entities.parse(entity))
    rank = reader.rank(args.account if args.account is not None else args.topic, scope) if found else None
    of = reader.size(scope)
    if args.json:
        place = rank.as_dict() if rank else {}
        places = {name: place.get(name) for name in ("rank", "ties", "percentile")}
        print_json(None if found is None else {**_asked(args), **found.as_dict(), **places, "of": of})
    else:
        _print_score(args, found, rank, of)
    return 0


def _asked(args: argparse.Namespace) -> dict[str, str]:
    return {name: value for name, value in (("account", args.account), ("topic", args.topic)) if value is not None}


def _print_score(args: argparse.Namespace, found: Score | None, rank: Rank | None, of: int) -> None:
    from streams.cli.output import console, printable

    out = console()
    title = " in ".join(printable(value) for value in _asked(args).values())
    if found is None:
        out.print(f"no score is kept for {title}")
        return
    place = "" if rank is None else f"   #{rank.rank} of {of}, above {rank.percentile:.1f} %"
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
