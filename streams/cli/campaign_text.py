"""Campaigns on a terminal: all of them, and one with its top accounts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.table import Table

from streams.cli.output import clipped, console, name_text, printable, short, utc
from streams.control.campaigns import Campaign
from streams.reader import Standing
from streams.redis.campaigns import PACE_MINUTES, PEOPLE_ERROR, Progress, Totals


def print_list(campaigns: Sequence[Campaign], totals: Mapping[str, Totals]) -> None:
    """Print campaigns, with their totals by name, one a line."""
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


def print_campaign(campaign: Campaign, totals: Totals, share: float | None, progress: Progress | None) -> None:
    """Print a campaign, with its share of voice and how far its goal is where there are."""
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
