"""`alerts`: rules added, listed, tried on history and removed while workers run; alerts as they come, and those not delivered."""

from __future__ import annotations

import argparse
import signal
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from streams.cli.amounts import positive_float, positive_int
from streams.cli.rule_line import rule_of, rule_options
from streams.errors import UsageError
from streams.settings import Settings

if TYPE_CHECKING:
    from streams.alerts.rules import Rule


def register(subparsers: Any) -> None:
    """Add `alerts add|list|remove|test|follow|undelivered`."""
    parser = subparsers.add_parser("alerts", help="rules, and what they say", description="Say when a score does something.")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    add = actions.add_parser("add", help="add a rule", description="Add a rule; workers that run follow it within a second.")
    rule_options(add)
    add.add_argument("--json", action="store_true", help="one JSON object")
    listed = actions.add_parser("list", help="the rules", description="Print the rules.")
    listed.add_argument("--json", action="store_true", help="one JSON array")
    remove = actions.add_parser("remove", help="remove a rule", description="Remove a rule, and what is remembered of it.")
    remove.add_argument("id", metavar="ID")
    remove.add_argument("--json", action="store_true", help="one JSON object")
    test = actions.add_parser(
        "test",
        help="try a rule on history",
        description="Fold what Kafka still has of the engagements once more, from nothing, and print what a rule would have said "
        "since a time. Accounts that are older than that begin as new ones.",
    )
    test.add_argument("id", metavar="ID")
    test.add_argument("--since", required=True, metavar="TIME", help="RFC 3339, epoch seconds, or 36h, 7d ago")
    test.add_argument("--json", action="store_true", help="one JSON object a line")
    follow = actions.add_parser("follow", help="alerts as they come", description="Print alerts as they come; Ctrl-C ends.")
    follow.add_argument("-n", type=positive_int, metavar="N", help="end after so many")
    follow.add_argument("--seconds", type=positive_float, metavar="S", help="end after this long")
    follow.add_argument("--json", action="store_true", help="one JSON object a line")
    late = actions.add_parser("undelivered", help="what webhooks didn't take", description="Print alerts that weren't delivered.")
    late.add_argument("-n", type=positive_int, default=20, metavar="N", help="the newest N (default 20)")
    late.add_argument("--json", action="store_true", help="one JSON array")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Do one of them."""
    actions: dict[str, Callable[[argparse.Namespace, Settings], int]] = {
        "add": _add, "list": _list, "remove": _remove, "test": _test, "follow": _follow, "undelivered": _undelivered
    }  # fmt: skip
    return actions[args.action](args, settings)


def _add(args: argparse.Namespace, settings: Settings) -> int:
    from streams.alerts.rules import described
    from streams.cli.output import console, print_json, printable
    from streams.control.editing import add_rule

    rule = add_rule(settings, rule_of(args, settings))
    if rule.webhook:
        _warn_without_key(rule, settings)
    if args.json:
        print_json(_shown(rule))
    else:
        console().print(f"{rule.id}: {printable(described(rule))}", soft_wrap=True)
    return 0


def _warn_without_key(rule: Rule, settings: Settings) -> None:
    """Say so where there is no key here: the workers may have one, and if not, nobody else says so until something is alerted."""
    from streams.alerts.webhook import key_of
    from streams.cli.output import console
    from streams.errors import ConfigurationError

    try:
        key_of(settings, rule.secret)
    except ConfigurationError as e:
        said = f"warning, of the settings here: {e}. Workers without the key call no webhook"
        console(to_stderr=True).print(said, markup=False, highlight=False, soft_wrap=True)


def _shown(rule: Rule) -> dict[str, Any]:
    """Return a rule as printed; of its webhook the host only, the rest may hold a password."""
    from urllib.parse import urlsplit

    import msgspec

    shown = {name: value for name, value in msgspec.structs.asdict(rule).items() if value and name != "format"}
    return {**shown, **({"webhook": urlsplit(rule.webhook).hostname} if rule.webhook else {})}


def _list(args: argparse.Namespace, settings: Settings) -> int:
    from rich.table import Table
    from rich.text import Text

    from streams.alerts.rules import described
    from streams.cli.output import console, print_json, printable
    from streams.control.reading import read_control

    rules = sorted(read_control(settings).rules.by_id.values(), key=lambda rule: rule.id)
    if args.json:
        print_json([_shown(rule) for rule in rules])
        return 0
    if not rules:
        console().print("no rules; `cloutstream alerts add --help` says how to add one")
        return 0
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("id", "says when", "webhook", "cool-down"):
        table.add_column(name, overflow="fold")
    for rule in rules:
        shown = _shown(rule)
        cells = (rule.id, described(rule), str(shown.get("webhook", "")), f"{rule.cooldown_s:g} s")
        table.add_row(*(Text(printable(cell)) for cell in cells))
    console().print(table)
    return 0


def _remove(args: argparse.Namespace, settings: Settings) -> int:
    from streams.alerts.rules import encode
    from streams.cli.output import console, print_json
    from streams.control.reading import read_control
    from streams.control.writing import write
    from streams.redis.alerts import forget_rule
    from streams.redis.client import session

    _find(args.id, read_control(settings).rules.by_id)
    write(settings, "rule", args.id, None, encode)
    with session(settings) as client:
        forget_rule(settings, client, args.id)
    if args.json:
        print_json({"removed": args.id})
    else:
        console().print(f"{args.id}: removed")
    return 0


def _find(rule_id: str, rules: dict[str, Rule]) -> Rule:
    if rule_id not in rules:
        raise UsageError(f"no rule {rule_id!r}; `cloutstream alerts list` shows what there is")
    return rules[rule_id]


def _test(args: argparse.Namespace, settings: Settings) -> int:
    from streams.alerts.history import would_have_said
    from streams.alerts.telling import told
    from streams.cli.output import console, print_json, printable
    from streams.cli.progress import bar
    from streams.cli.times import ago_or_at
    from streams.control.reading import read_control

    since_s = ago_or_at(args.since, time.time())
    control = read_control(settings)
    rule = _find(args.id, control.rules.by_id)
    said = 0
    with bar("folding") as show:
        for alert in would_have_said(settings, control, rule, since_s, progress=show):
            said += 1
            if args.json:
                print_json(alert)
            else:
                console().print(f"{_time(alert['at'])}  {printable(told(alert))}", soft_wrap=True)
    if not args.json:
        console(to_stderr=True).print(f"{said:,} alerts")
    return 0


def _follow(args: argparse.Namespace, settings: Settings) -> int:
    from streams.alerts.telling import told
    from streams.cli.output import console, print_json, printable
    from streams.reader import Reader
    from streams.redis.client import session

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    end_s = float("inf") if args.seconds is None else time.monotonic() + args.seconds
    seen = 0
    problem: str | None = None
    with session(settings) as client:
        feed = Reader(settings, client).follow_alerts()
        while seen != args.n and (left_s := end_s - time.monotonic()) > 0:
            for alert in feed.read(min(1.0, left_s)):
                if args.json:
                    print_json(alert)
                else:
                    console().print(f"{_time(alert['at'])}  {printable(told(alert))}", soft_wrap=True)
                seen += 1
                if seen == args.n:
                    break
            if feed.problem not in (None, problem):
                console(to_stderr=True).print(f"{feed.problem}; trying again", markup=False)
            problem = feed.problem
    return 0


def _undelivered(args: argparse.Namespace, settings: Settings) -> int:
    from streams.alerts.telling import told
    from streams.cli.output import console, print_json, printable
    from streams.redis.alerts import undelivered
    from streams.redis.client import session

    with session(settings) as client:
        alerts = undelivered(settings, client, args.n)
    if args.json:
        print_json(alerts)
        return 0
    if not alerts:
        console().print("every alert was delivered, or none was to be")
    for alert in alerts:
        line = f"{_time(alert['at'])}  {alert['rule']}: {told(alert)} -- {alert['why']}, {alert['attempts']} attempts"
        console().print(printable(line), soft_wrap=True)
    return 0


def _time(at_s: float) -> str:
    from datetime import UTC, datetime

    return f"{datetime.fromtimestamp(at_s, UTC):%Y-%m-%d %H:%M:%S}" if 0 <= at_s < 253402300800 else str(at_s)
