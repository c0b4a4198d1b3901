"""`hide`: accounts that no board shows. Their scores are kept and can be asked for."""

from __future__ import annotations

import argparse
from typing import Any

from streams.errors import UsageError
from streams.settings import Settings


def register(subparsers: Any) -> None:
    """Add `hide`."""
    parser = subparsers.add_parser(
        "hide",
        help="leave an account out of all boards",
        description="Leave an account out of all boards that readers show, and of what alert rules say of first places, as if it "
        "weren't there; its score is kept, and rules on that go on. Say so with --remove to show it again.",
    )
    parser.add_argument("account", nargs="?", metavar="ACCOUNT", help="id as in the events; put -- before one that starts with -")
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--remove", action="store_true", help="show the account again")
    action.add_argument("--list", action="store_true", help="the hidden accounts")
    parser.add_argument("--json", action="store_true", help="one JSON object, or with --list one array")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Hide, show again or list."""
    if args.list == (args.account is not None):
        raise UsageError("hide: expected either ACCOUNT or --list")
    from streams.cli.output import console, print_json, printable
    from streams.reader import Reader
    from streams.redis.client import session

    with session(settings) as client:
        if args.list:
            hidden = sorted(Reader(settings, client).hidden())
            if args.json:
                print_json(hidden)
            elif hidden:
                console().print("\n".join(map(printable, hidden)), soft_wrap=True)
            else:
                console().print("no account is hidden")
            return 0
        from streams.control.people import hide_account

        is_changed = hide_account(settings, args.account, show=args.remove)
        # Workers do so too, now and whenever Redis was wiped; but who runs none shall see it at once.
        change = client.srem if args.remove else client.sadd
        is_changed |= bool(change(f"{settings.redis_prefix}hidden", args.account))
    if args.json:
        print_json({"account": args.account, "hidden": not args.remove, "changed": is_changed})
    else:
        already = "" if is_changed else " already"
        what = "is shown on the boards" if args.remove else "is left out of all boards"
        console().print(f"{printable(args.account)} {what}{already}", soft_wrap=True)
    return 0
