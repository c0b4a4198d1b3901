"""An alert rule on the command line: its options, and the rule that they make."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from streams.cli.amounts import non_negative_float, positive_float, positive_int
from streams.errors import UsageError
from streams.settings import Settings

if TYPE_CHECKING:
    from streams.alerts.rules import Rule


def rule_options(add: argparse.ArgumentParser) -> None:
    """Add the options that make a rule."""
    add.add_argument("kind", choices=("jump", "drop", "crosses", "top", "goal"), help="what is said")
    who = add.add_mutually_exclusive_group()
    who.add_argument("--account", metavar="ID", help="of one account; with --scope, inside that")
    who.add_argument("--topic", metavar="TAG", help="of one topic")
    who.add_argument("--campaign", metavar="ID", help="of one campaign")
    who.add_argument("--everybody", action="store_true", help="of any account")
    add.add_argument(
        "--scope", metavar="SCOPE", help="of any account in all, topic:TAG or campaign:ID, or any in topics, campaigns"
    )
    add.add_argument("--points", type=positive_float, metavar="P", help="jump, drop: by how much (default 2) within four hours")
    add.add_argument("--value", type=positive_float, metavar="V", help="crosses: the score; goal: the number")
    add.add_argument("-n", type=positive_int, metavar="N", help="top: places (default 10)")
    add.add_argument("--measure", metavar="NAME", help="goal: score, reach, posts, likes (default), shares or replies")
    add.add_argument(
        "--cooldown-s", type=non_negative_float, metavar="S", help="between alerts of one rule and entity (default 1800)"
    )
    add.add_argument("--webhook", metavar="URL", help="told of each alert; give CLOUTSTREAM_WEBHOOK_SECRET to the workers")
    add.add_argument("--secret-file", metavar="NAME", help="sign with this file of the workers' CLOUTSTREAM_WEBHOOK_SECRETS_DIR")
    add.add_argument("--id", metavar="ID", help="what to call the rule (default: made from what it says)")


def rule_of(args: argparse.Namespace, settings: Settings) -> Rule:
    """Return the rule that a command line asks for.

    Raises:
        UsageError: it can't work.
    """
    from streams.alerts import rules

    unused = {"jump": "value n measure", "drop": "value n measure", "crosses": "points n measure", "top": "points value measure"}
    for name in unused.get(args.kind, "points n").split():
        if getattr(args, name) is not None:
            raise UsageError(
                f"alerts add {args.kind}: {'-' if name == 'n' else '--'}{name} is {getattr(args, name)}; expected none"
            )
    if args.kind in ("crosses", "goal") and args.value is None:
        raise UsageError(
            f"alerts add {args.kind}: no --value given; expected the number to {'reach' if args.kind == 'goal' else 'cross'}"
        )
    entity, scope = _who(args)
    given: dict[str, Any] = {
        "value": args.value,
        "cooldown_s": args.cooldown_s,
        "webhook": args.webhook,
        "secret": args.secret_file,
    }
    if args.kind in ("jump", "drop"):
        given["points"] = args.points or 2.0
    elif args.kind == "top":
        given["n"] = args.n or 10
    elif args.kind == "goal":
        given["measure"] = args.measure or "likes"
    stated = {name: value for name, value in given.items() if value is not None}
    rule = rules.Rule(id=args.id or "", kind=args.kind, entity=entity, scope=scope, **stated)
    if rule.webhook:
        from streams.alerts.addresses import check_url, private_hosts_of

        check_url(rule.webhook, private_hosts_of(settings))
    elif rule.secret:
        raise UsageError("alerts add: --secret-file without --webhook; expected both, or neither")
    return rules.checked(rule if rule.id else rules.named(rule))


def _who(args: argparse.Namespace) -> tuple[str, str]:
    """Return the entity or the scope that is watched, the other empty."""
    from streams import entities

    if args.account is not None:
        account = entities.account(args.account)
        return (f"{account}@{args.scope}" if args.scope and args.scope != "all" else account), ""
    if args.topic is not None and args.scope is None:
        return entities.topic(args.topic), ""
    if args.campaign is not None and args.scope is None:
        return "campaign:" + entities.encode_id(args.campaign), ""
    if (args.everybody or args.scope is not None) and args.topic is None and args.campaign is None:
        return "", args.scope or "all"
    raise UsageError(
        "alerts add: whom is it about? expected --account ID, --topic TAG, --campaign ID, --scope SCOPE or --everybody"
    )
