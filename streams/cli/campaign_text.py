"""Campaigns on a terminal: all of them, and one with its top accounts."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from streams.cli.output import clipped, console, name_text, printable, short, utc
from streams.reader import Campaign, Standing
from streams.reader.campaigns import PACE_MINUTES, PEOPLE_ERROR


def print_list(campaigns: Sequence[Campaign]) -> None:
    """Print campaigns, one a line."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("campaign", min_width=12)
    for name in ("from", "state", "posts", "engagements", "people", "a minute"):
        table.add_column(name, justify="left" if name in ("from", "state") else "right", no_wrap=True)
    for c in campaigns:
        t = c.totals
        counts = (short(t.posts), short(t.engagements), short(t.people), f"{t.engagements_per_minute:.1f}")
        row = (utc(c.definition.starts_s), c.state, *counts)
        table.add_row(name_text(c.id), *row, style="dim" if c.state == "over" else "")
    console().print(table)


def print_campaign(campaign: Campaign) -> None:
    """Print a campaign, with its share of voice and how far its goal is where there are."""
    out, definition, totals = console(), campaign.definition, campaign.totals
    since = {"over": "over; counted from", "runs": "since", "to come": "from"}[campaign.state]
    out.print(f"{printable(campaign.id)}   {since} {utc(definition.starts_s)}", style="bold", soft_wrap=True)
    for what, texts in (("tags", definition.tags), ("accounts", definition.accounts)):
        if texts:
            more = f" and {len(texts) - 10} more" if len(texts) > 10 else ""
            out.print(f"  {what:<14}{', '.join(clipped(text, 40) for text in texts[:10])}{more}", soft_wrap=True)
    counts = f"{totals.posts:,} posts, {totals.likes:,} likes, {totals.shares:,} shares, {totals.replies:,} replies"
    score = campaign.score.score if campaign.score else 1.0
    lines = [
        ("counted", counts),
        ("pace", f"{totals.engagements_per_minute:.1f} engagements a minute over the last {PACE_MINUTES} minutes"),
        ("people", f"{totals.people:,} different ones engaged, give or take {100 * PEOPLE_ERROR:.1f} %"),
        ("reach", f"{totals.reach:.1f}: the same people weighted by trust, fading; score {score:.1f}"),
    ]
    if (share := campaign.share_of_voice) is not None:
        lines.append(("share of voice", f"{100 * share:.1f} % of the engagements of campaigns that ran meanwhile"))
    if (progress := campaign.progress) is not None:
        when = "" if progress.at is None or progress.ratio >= 1 else f", at this pace reached {utc(progress.at)}"
        goal = progress.goal
        far = f"{progress.value:,.0f} of {goal.value:,.0f} {goal.of}: {100 * progress.ratio:.1f} %"
        lines.append(("goal", far + when))
    for name, says in lines:
        out.print(f"  {name:<14}{says}", soft_wrap=True)


def print_top(places: list[Standing]) -> None:
    """Print the accounts of a campaign, best first."""
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
