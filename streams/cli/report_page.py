"""The report on a campaign as one HTML file that asks for nothing: styles and plots are inside, scripts are forbidden."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from streams.cli.output import utc
from streams.cli.svg import lines, ranked, stacked, text_of

# Whatever a name might smuggle in: a browser that obeys this runs and loads nothing.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 46rem; padding: 0 1rem; }
body { color: #222; background: #fff; }
h1 { margin-bottom: 0; } h2 { margin: 2rem 0 .5rem; font-size: 1.1rem; } .note { color: #666; }
svg { width: 100%; font-size: 11px; } .name { unicode-bidi: isolate; }
dl { display: grid; grid-template-columns: repeat(4, 1fr); gap: .5rem 1rem; } dt { color: #666; }
dd { margin: 0; font-size: 1.4rem; } table { border-collapse: collapse; width: 100%; }
td, th { text-align: right; padding: .15rem .5rem; border-bottom: 1px solid #eee; }
td:first-child, th:first-child { text-align: left; overflow-wrap: anywhere; }
"""
_KINDS = ("posts", "likes", "shares", "replies")


def page(report: dict[str, Any]) -> str:
    """Return the page of a report made by `streams.report.summary`."""
    name = text_of(report["campaign"]["name"], 64)
    parts = [_head(report, name), _totals(report), _course(report), _contributors(report), _engagers(report), _posts(report)]
    parts += [_uplift(report), _definition(report)]
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{name}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}"><meta name="referrer" content="no-referrer">'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>\n<body>\n'
        + "\n".join(part for part in parts if part)
        + "\n</body></html>\n"
    )


def _head(report: dict[str, Any], name: str) -> str:
    state = "over" if report["is_over"] else "still running"
    note = "" if report["is_whole"] else "<p>Kafka no longer has the oldest engagements: all counts here are lower bounds.</p>"
    return (
        f"<h1><bdi>{name}</bdi></h1><p class='note'>{utc(report['start'])} to {utc(report['end'])}, {state}; "
        f"made {utc(report['made_at'])}</p>{note}"
    )


def _totals(report: dict[str, Any]) -> str:
    totals, share, live = report["totals"], report["share_of_voice"], report["live"]
    shown = [(kind, f"{totals[kind]:,}") for kind in _KINDS]
    shown += [
        ("different people", f"{totals['people']:,}"),
        ("accounts", f"{totals['accounts']:,}"),
        ("engagements a minute", f"{report['per_minute']:,.1f}"),
        ("share of voice", "-" if share is None else f"{100 * share:.1f} %"),
    ]
    if live is not None:
        shown += [("reach now", f"{live['reach']:,.1f}"), ("score now", f"{live['score']:.1f}")]
    return "<dl>" + "".join(f"<div><dt>{what}</dt><dd>{value}</dd></div>" for what, value in shown) + "</dl>"


def _course(report: dict[str, Any]) -> str:
    series = report["series"]
    first, last = utc(report["start"]), utc(report["end"])
    engaged = [sum(counts) for counts in zip(*(series[kind] for kind in _KINDS[1:]), strict=True)]
    return (
        f"<h2>Course</h2><p class='note'>counts per {_span(series['bin_s'])}, by the time of the event</p>"
        + stacked({kind: series[kind] for kind in _KINDS}, first, last)
        + "<p class='note'>engagements so far</p>"
        + stacked({"engagements": list(accumulate(engaged))}, first, last)
    )


def _contributors(report: dict[str, Any]) -> str:
    rows = report["contributors"]
    if not rows:
        return "<p>Nothing has counted yet.</p>"
    chart = ranked([(row["account"], sum(row[kind] for kind in _KINDS[1:])) for row in rows[:10]])
    return (
        "<h2>Top contributors</h2><p class='note'>whose posts got the most engagements</p>"
        + chart
        + _table("account", rows, _KINDS)
    )


def _engagers(report: dict[str, Any]) -> str:
    rows = report["engagers"]
    return "<h2>Who engaged most</h2>" + ranked([(row["account"], row["engagements"]) for row in rows[:10]]) if rows else ""


def _posts(report: dict[str, Any]) -> str:
    rows = report["top_posts"]
    if rows is None:
        return ""
    if not rows:
        return "<h2>Top posts</h2><p class='note'>no event that counted names its post</p>"
    named = [{**row, "account": f"{row['account']}: {row['post']}"} for row in rows]
    return "<h2>Top posts</h2>" + _table("account: post", named, _KINDS[1:])


def _table(what: str, rows: Sequence[dict[str, Any]], kinds: Sequence[str]) -> str:
    head = "".join(f"<th>{kind}</th>" for kind in kinds)
    body = "".join(
        f"<tr><td><bdi>{text_of(row['account'], 100)}</bdi></td>" + "".join(f"<td>{row[k]:,}</td>" for k in kinds) + "</tr>"
        for row in rows
    )
    return f"<table><tr><th>{what}</th>{head}</tr>{body}</table>"


def _uplift(report: dict[str, Any]) -> str:
    found = report["uplift"]
    title = "<h2>Uplift</h2>"
    if found is None:
        return title + "<p class='note'>too little before or during the campaign to compare</p>"
    campaign = report["campaign"]
    whose = (
        "the campaign's accounts" if campaign["accounts"] else "the accounts that took part (they were chosen by having done so)"
    )
    short_base = found["baseline_s"] < 2 * 86400
    caution = " The baseline is shorter than two days: the hours of a day are not averaged out." if short_base else ""
    return (
        f"{title}<p>Engagements with {whose}: {found['during_per_hour']:,.1f} an hour during it, "
        f"{found['before_per_hour']:,.1f} in the {_span(found['baseline_s'])} before. That is <b>{found['ratio']:.2f} times</b>, "
        f"with a 95 % interval of {found['low']:.2f} to {found['high']:.2f} (Poisson with a dispersion of "
        f"{found['dispersion']:.1f}).{caution}</p>" + lines(found["before"], found["during"])
    )


def _definition(report: dict[str, Any]) -> str:
    campaign = report["campaign"]
    told = [
        f"{what}: " + ", ".join(f"<bdi>{text_of(text, 40)}</bdi>" for text in campaign[what][:50])
        for what in ("tags", "accounts")
        if campaign[what]
    ]
    if campaign["goal"]:
        told.append(f"goal: {text_of(campaign['goal']['of'])} {campaign['goal']['value']:,.0f}")
    return "<h2>Definition</h2><p>" + "; ".join(told) + "</p>"


def _span(seconds: float) -> str:
    for unit_s, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= unit_s:
            number = seconds / unit_s
            return f"{number:,.0f} {unit}" if number != 1 else unit[:-1]
    return f"{seconds:.0f} seconds"
