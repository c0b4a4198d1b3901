"""Reasons of a change as JSON, and two changes told as one: a statement of what moved in both.

A reason has a `kind`, `points`, and what else there is to say of it:

    like, share, reply   what `actor` did, `count` times; where it was damped, what part of it was `counted`, and what it was
                         `damped_by` most
    others               `count` engagements by more actors
    posts, undone        `count` posts of the account's own; engagements taken back
    sampling             the error of an estimated reach, as far as it is known to be one
    decay                what faded since the change before
    formula              the same counters, by another formula
    unknown              reasons that were lost, by a crash or a release that didn't note them
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import orjson

MOST = 5  # actors that are named, those with the most points
# Kinds beyond those of engagements, in the order in which they are told after them.
REST = ("others", "posts", "undone", "sampling", "decay", "formula", "unknown")
DECIMALS = 10_000  # scores and points are told in units of a ten-thousandth

Reason = dict[str, Any]


def combined(older: str, newer: str, moved: float) -> str:
    """Return the reasons of two changes, JSON arrays, as those of one.

    Args:
        older: of the first change.
        newer: of the one after it.
        moved: by both together, points. What the reasons don't add up to is unknown: what happened between the two, and what an
            earlier release, whose reasons are only the largest, didn't tell.

    >>> combined('[{"kind":"decay","points":-0.25}]', '[{"kind":"decay","points":-0.5}]', -0.75)
    '[{"kind":"decay","points":-0.75}]'
    """
    found: dict[tuple[str, str], Reason] = {}
    reasons = [*orjson.loads(older), *orjson.loads(newer)]
    missing = round(moved * DECIMALS) - sum(round(reason["points"] * DECIMALS) for reason in reasons)
    for reason in (*reasons, {"kind": "unknown", "points": missing / DECIMALS}):
        _add(found, reason)
    named = sorted((r for r in found.values() if "actor" in r), key=lambda r: -r["points"])
    for reason in named[MOST:]:
        _add(found, {"kind": "others", "points": reason["points"], "count": reason.get("count", 0)})
    rest = (found[kind, ""] for kind in REST if (kind, "") in found)
    told = [reason for reason in (*named[:MOST], *rest) if reason["points"]]
    return orjson.dumps(told).decode()


def without(reasons: Iterable[Reason], is_gone: Callable[[str], bool]) -> list[Reason]:
    """Return reasons in which actors who are gone count among the others."""
    found: dict[tuple[str, str], Reason] = {}
    for reason in reasons:
        hidden = "actor" in reason and is_gone(reason["actor"])
        _add(found, {"kind": "others", "points": reason["points"], "count": reason.get("count", 1)} if hidden else reason)
    named = [reason for reason in found.values() if "actor" in reason]
    return [*named, *(found[kind, ""] for kind in REST if (kind, "") in found)]


def _add(found: dict[tuple[str, str], Reason], reason: Reason) -> None:
    """Add a reason to the one of its kind and actor, points to the last decimal that is told."""
    held = found.setdefault((reason["kind"], reason.get("actor", "")), {**reason, "points": 0.0, **_counts(reason, 0)})
    held["points"] = (round(held["points"] * DECIMALS) + round(reason["points"] * DECIMALS)) / DECIMALS
    if "count" not in reason:
        return
    before, more = held.get("count", 0), reason["count"]  # posts that were only worth more or less have none
    held["count"] = before + more
    if "counted" in held or "counted" in reason:
        a, b = held.get("counted", 1.0), reason.get("counted", 1.0)
        if "damped_by" in reason and (b <= a or "damped_by" not in held):
            held["damped_by"] = reason["damped_by"]
        held["counted"] = round((a * before + b * more) / (before + more), 4)


def _counts(reason: Reason, count: int) -> Reason:
    return {"count": count} if "count" in reason else {}
