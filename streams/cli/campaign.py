"""`campaign`: make campaigns while workers run, see how they stand, end them, and report."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streams.cli.amounts import epoch_time, positive_int
from streams.errors import UsageError
from streams.settings import Settings

if TYPE_CHECKING:
    from streams.control.campaigns import Campaign
    from streams.control.state import ControlState
    from streams.reader import Campaign as Standing
    from streams.reader import Reader

_NAME_HELP = "as it was made; put -- before one that starts with -"


def register(subparsers: Any) -> None:
    """Add `campaign add|list|show|end|report`."""
    parser = subparsers.add_parser(
        "campaign", help="campaigns: what tags and accounts gather", description="Count what tags and accounts gather together."
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    made = actions.add_parser("add", help="make one", description="Make a campaign. It counts from 2 s later on; workers run on.")
    made.add_argument("name", metavar="NAME", help="up to 64 characters; used once")
    made.add_argument("--tag", action="append", default=[], metavar="TAG", help="events with this tag count; may be repeated")
    made.add_argument("--account", action="append", default=[], metavar="ID", help="what this account posts or receives counts")
    made.add_argument(
        "--from", dest="from_s", type=epoch_time, metavar="TIME", help="count events from this time on (default: now)"
    )
    made.add_argument(
        "--to", dest="to_s", type=epoch_time, metavar="TIME", help="count events before this time (default: no end)"
    )
    made.add_argument("--goal", metavar="NAME=NUMBER", help="such as likes=1000: `show` says how far it is")
    listed = actions.add_parser("list", help="all of them", description="List all campaigns with what they have gathered.")
    shown = actions.add_parser("show", help="one, with its top accounts", description="Show how a campaign stands now.")
    shown.add_argument("name", metavar="NAME", help=_NAME_HELP)
    shown.add_argument("-n", type=positive_int, default=10, metavar="N", help="accounts to print (default 10)")
    ended = actions.add_parser(
        "end", help="end one", description="End a campaign for good, 2 s from now. What it gathered stays."
    )
    ended.add_argument("name", metavar="NAME", help=_NAME_HELP)
    reported = actions.add_parser(
        "report",
        help="all about one, as a page",
        description="Recount a campaign from Kafka and write a page that asks for nothing.",
    )
    reported.add_argument("name", metavar="NAME", help=_NAME_HELP)
    reported.add_argument("--out", metavar="FILE", help="where to write the page (default: NAME.html here)")
    reported.add_argument("--no-posts", action="store_true", help="leave out the top posts: finding them reads all events")
    for action in (made, listed, shown, ended, reported):
        action.add_argument("--json", action="store_true", help="JSON")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Do what was asked for."""
    return {"add": _add, "list": _list, "show": _show, "end": _end, "report": _report}[args.action](args, settings)


def _add(args: argparse.Namespace, settings: Settings) -> int:
    from streams.control.campaigns import Campaign, Goal
    from streams.control.editing import add_campaign

    wanted = Campaign(
        args.name, tuple(dict.fromkeys(args.tag)), tuple(dict.fromkeys(args.account)),
        None if args.goal is None else Goal.parse(args.goal), args.from_s, args.to_s,
    )  # fmt: skip
    return _tell(args, add_campaign(settings, wanted), "counts from {starts}")


def _end(args: argparse.Namespace, settings: Settings) -> int:
    from streams.control.editing import end_campaign

    return _tell(args, end_campaign(settings, args.name), "ends at {ended}; `cloutstream campaign show` has what it gathered")


def _tell(args: argparse.Namespace, campaign: Campaign, says: str) -> int:
    from streams.cli.output import console, print_json, printable, utc

    if args.json:
        print_json(campaign.as_dict())
    else:
        text = says.format(starts=utc(campaign.starts_s), ended=utc((campaign.ended_ms or 0) / 1000))
        console().print(f"{printable(campaign.name)} {text}", soft_wrap=True)
    return 0


def _list(args: argparse.Namespace, settings: Settings) -> int:
    from streams.cli.campaign_text import print_list
    from streams.cli.output import console, print_json
    from streams.control.reading import read_control
    from streams.reader import Reader

    defined = read_control(settings).campaigns
    with Reader.connect(settings) as reader:
        campaigns = reader.campaigns(defined)
    if args.json:
        print_json([_shown(campaign) for campaign in campaigns])
        return 0
    if not campaigns:
        console().print("there are no campaigns; make one with `cloutstream campaign add NAME --tag TAG`")
        return 0
    print_list(campaigns)
    return 0


def _shown(campaign: Standing) -> dict[str, Any]:
    """Return a campaign as printed: what it is, and what it has gathered."""
    totals, score = campaign.totals.as_dict(), campaign.score
    return {
        **campaign.definition.as_dict(), "is_over": campaign.state == "over", **totals,
        "score": round(score.score, 4) if score else 1.0, "plus_minus": round(score.plus_minus, 4) if score else 0.0,
        "now": round(campaign.now, 3),
    }  # fmt: skip


def _show(args: argparse.Namespace, settings: Settings) -> int:
    from streams.cli.campaign_text import print_campaign, print_top
    from streams.cli.output import print_json
    from streams.control.reading import read_control
    from streams.reader import Reader

    state = read_control(settings)
    wanted = _named(args.name, state)
    with Reader.connect(settings) as reader:
        campaign = _standing(reader, wanted, state)
        top = reader.top(wanted.entity, n=args.n)
    if args.json:
        told = campaign.as_dict()
        told = {name: told[name] for name in ("share_of_voice", "progress")}
        print_json({**_shown(campaign), **told, "top": [place.as_dict() for place in top]})
        return 0
    print_campaign(campaign)
    print_top(top)
    return 0


def _report(args: argparse.Namespace, settings: Settings) -> int:
    from streams.cli.output import console, print_json, printable
    from streams.cli.progress import bar
    from streams.cli.report_page import page
    from streams.control.reading import read_control
    from streams.reader import Reader
    from streams.report.gather import gather
    from streams.report.posts import top_posts
    from streams.report.summary import MOST_SHOWN, summary

    state = read_control(settings)
    campaign = _named(args.name, state)
    with Reader.connect(settings) as reader:
        standing = _standing(reader, campaign, state)
    with bar("reading") as show:
        found = gather(settings, campaign, show)
        posts = None if args.no_posts else top_posts(settings, campaign, MOST_SHOWN, show)
    report = summary(campaign, found, posts, _shown(standing), standing.now)
    if args.json:
        print_json(report)
        return 0
    path = Path(args.out or f"{re.sub(r'[^A-Za-z0-9._-]+', '-', campaign.name).strip('.-') or 'campaign'}.html")
    try:
        path.write_text(page(report), encoding="utf-8")
    except OSError as e:
        raise UsageError(
            f"the page can't be written to {str(path)!r}: {e.strerror}; expected a file in a folder that is there"
        ) from e
    console().print(printable(str(path)), soft_wrap=True)
    return 0


def _named(name: str, state: ControlState) -> Campaign:
    campaign = state.campaign(name)
    if campaign is None:
        raise UsageError(f"there is no campaign {name!r}; `cloutstream campaign list` names them")
    return campaign


def _standing(reader: Reader, campaign: Campaign, state: ControlState) -> Standing:
    """Return how a campaign stands; workers may not have heard of it yet, the control topic has."""
    return next(found for found in reader.campaigns(state.campaigns) if found.id == campaign.name)
