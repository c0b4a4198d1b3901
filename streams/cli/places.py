"""`top` and `around`: a leaderboard from its top, or the part of it around one account, as it stands now."""

from __future__ import annotations

import argparse
from collections import Counter
from typing import TYPE_CHECKING, Any

from streams.cli.amounts import natural_int, positive_int
from streams.errors import UsageError
from streams.settings import Settings

if TYPE_CHECKING:
    from streams.reader import Page, Weights


def register(subparsers: Any) -> None:
    """Add `top` and `around`."""
    top = subparsers.add_parser("top", help="the leaderboard", description="Print a leaderboard as it stands now.")
    top.add_argument("-n", type=positive_int, default=10, metavar="N", help="places to print (default 10)")
    top.add_argument("--offset", type=natural_int, default=0, metavar="N", help="places to leave out at the top")
    order = top.add_mutually_exclusive_group()
    order.add_argument("--trending", action="store_true", help="by what moves now instead of by standing")
    order.add_argument(
        "--weights", metavar="PART=N,...", help="by weights of your own, such as reach=1,network=0,amplification=2"
    )
    scope = top.add_mutually_exclusive_group()
    scope.add_argument("--topic", metavar="TAG", help="accounts inside this topic")
    scope.add_argument("--topics", action="store_true", help="the topics themselves")
    top.add_argument("--json", action="store_true", help="one JSON array")
    around = subparsers.add_parser(
        "around", help="the leaderboard around an account", description="Print the places above and below an account."
    )
    around.add_argument("account", metavar="ACCOUNT", help="id as in the events; put -- before one that starts with -")
    around.add_argument("-n", type=positive_int, default=5, metavar="N", help="places above and below (default 5)")
    around.add_argument("--trending", action="store_true", help="by what moves now instead of by standing")
    around.add_argument("--topic", metavar="TAG", help="inside this topic")
    around.add_argument("--json", action="store_true", help="one JSON array, empty when the account isn't on the board")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Print what was asked for."""
    from streams import entities
    from streams.cli.output import print_json
    from streams.reader import Reader

    is_topics = args.command == "top" and args.topics
    scope = "topics" if is_topics else entities.topic(args.topic) if args.topic is not None else "all"
    board = "trending" if args.trending else "standing"
    weights = _weights(args.weights) if args.command == "top" and args.weights is not None else None
    with Reader.connect(settings) as reader:
        if args.command == "top":
            page = reader.top(scope, board, args.n, args.offset, weights)
        else:
            page = reader.around(args.account, args.n, scope, board)
        is_complete = args.json or reader.is_complete()
    if args.json:
        # On the board of topics the member is a tag; calling it an account would mislead.
        print_json([{("topic" if is_topics and k == "account" else k): v for k, v in p.as_dict().items()} for p in page])
        return 0
    _warn(page, is_complete=is_complete)
    if page:
        _print_places(page, "topic" if is_topics else "account", None if args.command == "top" else args.account)
    else:
        _print_nobody(None if args.command == "top" else args.account)
    return 0


def _weights(text: str) -> Weights:
    from streams.reader import Weights

    try:
        return Weights.parse(text)
    except ValueError as e:
        raise UsageError(f"--weights: {e}") from None


def _warn(page: Page, *, is_complete: bool) -> None:
    from streams.cli.output import console

    err = console(to_stderr=True)
    if not is_complete:
        err.print("Redis isn't complete: no worker has published yet, or a rebuild is running")
    if not page.is_exact:
        err.print("the best of those with the highest scores; by these weights somebody further down may belong here too")


def _print_nobody(account: str | None) -> None:
    from streams.cli.output import console, printable

    console().print("nobody is on this board yet" if account is None else f"{printable(account)} isn't on this board")


def _print_places(page: Page, what: str, account: str | None) -> None:
    """Print a table; around an `account` with how much of the board stands below, and that account in bold."""
    from rich.table import Table
    from rich.text import Text

    from streams.cli.output import clipped, console

    out, sharing = console(), Counter(place.rank for place in page)
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("#", justify="right", no_wrap=True)
    table.add_column(what, overflow="fold", min_width=12)
    names = ["score", "±", *(["above"] if account is not None else []), "reach", "posts", "likes", "shares", "replies"]
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    for p in page:
        # An equals sign where the rank is shared, as in a league table.
        rank = f"{p.rank}{'=' if sharing[p.rank] > 1 else ' ' if max(sharing.values()) > 1 else ''}"
        above = [] if account is None or p.percentile is None else [f"{p.percentile:.1f} %"]
        counts = (str(n) for n in (p.posts, p.likes, p.shares, p.replies))
        style = "bold" if p.account == account else "dim" if p.provisional else ""
        table.add_row(
            rank, Text(clipped(p.account)), f"{p.score:.1f}{'?' if p.provisional else ' '}", f"{p.plus_minus:.1f}", *above,
            f"{p.reach:.0f}", *counts, style=style,
        )  # fmt: skip
    out.print(table)
    if any(p.provisional for p in page):
        out.print("? provisional: too few people to say more", style="dim")
