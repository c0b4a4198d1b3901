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
    from streams.redis.campaigns import Progress, Totals
    from streams.redis.records import Standing

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
    from rich.table import Table

    from streams.cli.output import console, name_text, print_json, short, utc
    from streams.control.reading import read_control
    from streams.redis.campaigns import read_totals
    from streams.redis.client import session

    campaigns = read_control(settings).campaigns
    with session(settings) as client:
        totals = {c.name: read_totals(settings, client, c) for c in campaigns}
    if args.json:
        print_json([{**c.as_dict(), "is_over": c.is_over(totals[c.name].now), **totals[c.name].as_dict()} for c in campaigns])
        return 0
    if not campaigns:
        console().print("there are no campaigns; make one with `cloutstream campaign add NAME --tag TAG`")
        return 0
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("campaign", min_width=12)
    for name in ("from", "state", "posts", "engagements", "people", "a minute"):
        table.add_column(name, justify="left" if name in ("from", "state") else "right", no_wrap=True)
    for c in campaigns:
        t = totals[c.name]
        state = "over" if c.is_over(t.now) else "to come" if t.now < c.starts_s else "runs"
        pace = sum(t.per_minute[kind] for kind in ("likes", "shares", "replies"))
        row = (utc(c.starts_s), state, short(t.posts), short(t.engagements), short(t.people), f"{pace:.1f}")
        table.add_row(name_text(c.name), *row, style="dim" if state == "over" else "")
    console().print(table)
    return 0


def _show(args: argparse.Namespace, settings: Settings) -> int:
    from streams.cli.output import print_json
    from streams.control.reading import read_control
    from streams.redis.campaigns import progress_of, read_totals, share_of_voice
    from streams.redis.client import session
    from streams.redis.reader import Reader

    state = read_control(settings)
    campaign = state.campaign(args.name)
    if campaign is None:
        raise UsageError(f"there is no campaign {args.name!r}; `cloutstream campaign list` names them")
    with session(settings) as client:
        totals = read_totals(settings, client, campaign)
        share = share_of_voice(settings, client, campaign, state.campaigns)
        progress = progress_of(campaign.goal, totals) if campaign.goal else None
        top = Reader(settings, client).top(campaign.entity, n=args.n)
    if args.json:
        told = {"share_of_voice": None if share is None else round(share, 4), "progress": progress and progress.as_dict()}
        print_json({**campaign.as_dict(), **totals.as_dict(), **told, "top": [place.as_dict() for place in top]})
        return 0
    _print(campaign, totals, share, progress)
    _print_top(top)
    return 0


def _print(campaign: Campaign, totals: Totals, share: float | None, progress: Progress | None) -> None:
    from streams.cli.output import clipped, console, printable, utc
    from streams.redis.campaigns import PACE_MINUTES, PEOPLE_ERROR

    out = console()
    is_over = campaign.is_over(totals.now)
    out.print(
        f"{printable(campaign.name)}   {'over' if is_over else 'since'} {utc(campaign.starts_s)}", style="bold", soft_wrap=True
    )
    for what, texts in (("tags", campaign.tags), ("accounts", campaign.accounts)):
        if texts:
            more = f" and {len(texts) - 10} more" if len(texts) > 10 else ""
            out.print(f"  {what:<14}{', '.join(clipped(text, 40) for text in texts[:10])}{more}", soft_wrap=True)
    counts = f"{totals.posts:,} posts, {totals.likes:,} likes, {totals.shares:,} shares, {totals.replies:,} replies"
    pace = sum(totals.per_minute[kind] for kind in ("likes", "shares", "replies"))
    lines = [
        ("counted", counts),
        ("pace", f"{pace:.1f} engagements a minute over the last {PACE_MINUTES} minutes"),
        ("people", f"{totals.people:,} different ones engaged, give or take {100 * PEOPLE_ERROR:.1f} %"),
        ("reach", f"{totals.reach:.1f}: the same people weighted by trust, fading; score {totals.score:.1f}"),
    ]
    if share is not None:
        lines.append(("share of voice", f"{100 * share:.1f} % of the engagements of campaigns that ran meanwhile"))
    if progress is not None:
        when = "" if progress.at is None or progress.ratio >= 1 else f", at this pace reached {utc(progress.at)}"
        lines.append(
            (
                "goal",
                f"{progress.goal.of} {progress.value:,.0f} of {progress.goal.value:,.0f}: {100 * progress.ratio:.1f} %{when}",
            )
        )
    for name, says in lines:
        out.print(f"  {name:<14}{says}", soft_wrap=True)


def _print_top(places: list[Standing]) -> None:
    from rich.table import Table

    from streams.cli.output import console, name_text, short

    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("#", justify="right")
    table.add_column("account", min_width=12)
    for name in ("score", "reach", "posts", "likes", "shares", "replies"):
        table.add_column(name, justify="right", no_wrap=True)
    for p in places:
        counts = (short(n) for n in (p.posts, p.likes, p.shares, p.replies))
        table.add_row(str(p.rank), name_text(p.account), f"{p.score:.1f}", f"{p.reach:.0f}", *counts)
    if places:
        console().print(table)


def _report(args: argparse.Namespace, settings: Settings) -> int:
    from streams.cli.output import console, print_json, printable
    from streams.cli.progress import bar
    from streams.cli.report_page import page
    from streams.redis.campaigns import read_totals
    from streams.redis.client import session
    from streams.report.gather import gather
    from streams.report.posts import top_posts
    from streams.report.summary import MOST_SHOWN, summary

    campaign = _named(args, settings)
    with session(settings) as client:
        totals = read_totals(settings, client, campaign)
    with bar("reading") as show:
        found = gather(settings, campaign, show)
        posts = None if args.no_posts else top_posts(settings, campaign, MOST_SHOWN, show)
    report = summary(campaign, found, posts, totals.as_dict(), totals.now)
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


def _named(args: argparse.Namespace, settings: Settings) -> Campaign:
    from streams.control.reading import read_control

    campaign = read_control(settings).campaign(args.name)
    if campaign is None:
        raise UsageError(f"there is no campaign {args.name!r}; `cloutstream campaign list` names them")
    return campaign
