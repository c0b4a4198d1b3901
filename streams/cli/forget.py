"""`forget`: takes a person out, for ever; and gives them before, or instead, all that is held of them."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

from streams.errors import ConfigurationError, UsageError
from streams.settings import Settings


def register(subparsers: Any) -> None:
    """Add `forget`."""
    parser = subparsers.add_parser(
        "forget",
        help="take a person out, for ever",
        description="Take an account out of tables, boards, history and reasons, also as one who engaged with others, and count "
        "no more events by it or of it. There is no way back. With --export write what is held of it, and then forget it only "
        "with --yes.",
    )
    parser.add_argument("account", metavar="ACCOUNT", help="id as in the events; put -- before one that starts with -")
    parser.add_argument("--export", metavar="FILE", help="write all that is held of it as JSON; - is standard output")
    parser.add_argument("--yes", action="store_true", help="forget it without asking")
    parser.add_argument("--json", action="store_true", help="one JSON object")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Export, forget, or both."""
    if args.export is not None:
        _export(settings, args)
        if not args.yes:
            return 0
    elif not args.yes:
        _confirm(args.account)
    from streams.cli.output import console, print_json, printable, utc
    from streams.control.people import forget_account

    forgetting, is_changed = forget_account(settings, args.account)
    if args.json:
        print_json({"account": args.account, "since_ms": forgetting.since_ms, "changed": is_changed})
        return 0
    said = "is forgotten from" if is_changed else "was forgotten already, from"
    running = "; workers that run take it out now, others when they start" if is_changed else ""
    console().print(f"{printable(args.account)} {said} {utc(forgetting.since_ms / 1000)} on{running}", soft_wrap=True)
    return 0


def _confirm(account: str) -> None:
    from streams.cli.output import console, printable

    if not sys.stdin.isatty():
        raise UsageError("forget: there is nobody to ask here; say --yes to forget the account for ever")
    console(to_stderr=True).print(f"Forget {printable(account)} for ever? There is no way back. [y/N] ", end="")
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise UsageError("forget: nothing was changed")


def _export(settings: Settings, args: argparse.Namespace) -> None:
    import orjson

    from streams.cli.output import console, print_json, printable
    from streams.cli.progress import bar
    from streams.persons.held import held_in_kafka
    from streams.persons.shown import held_in_redis
    from streams.redis.client import session

    account, path = args.account, args.export
    with session(settings) as client, bar("reading") as show:
        held = {"account": account, "redis": held_in_redis(settings, client, account)}
        held["kafka"] = held_in_kafka(settings, account, show)
    if path == "-":
        print_json(held)
        return
    try:
        # Readable by whoever asked only: it is all that is known of somebody.
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(orjson.dumps(held, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    except OSError as e:
        raise ConfigurationError(f"can't write {path!r}: {e.strerror}; expected a new file in a folder that is there") from e
    console(to_stderr=args.json).print(f"what is held of {printable(account)} is in {path}", soft_wrap=True)
