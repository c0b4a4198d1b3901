"""A statement of why a score moved as lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from streams.cli.output import at_utc, clipped

_DAMPED = {
    "trust": "new account",
    "budget": "engages with very many",
    "repeat": "repeated within a day",
    "reciprocity": "returns a favour",
    "late": "came late",
}
_PLURAL = {"like": "likes", "share": "shares", "reply": "replies"}
_REST = {
    "others": ("engagement by others", "engagements by others"),
    "posts": ("post of its own", "posts of its own"),
    "undone": ("engagement taken back", "engagements taken back"),
    "sampling": ("error of the estimated reach",),
    "decay": ("decay",),
    "formula": ("another formula",),
    "unknown": ("not known any more",),
}


def lines(statement: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line of when and what, and an indented one for each reason.

    >>> reasons = [{"kind": "like", "actor": "bob", "points": 1.5, "count": 2, "counted": 0.1, "damped_by": "trust"}]
    >>> reasons.append({"kind": "decay", "points": -0.25})
    >>> for line in lines({"at": 60.0, "before": 3.0, "after": 4.25, "causes": reasons}):
    ...     print(line)
    1970-01-01 00:01:00   3.00 to 4.25   +1.25
       +1.50   bob: 2 likes, counted at 10 %: new account
       -0.25   decay
    """
    at, before, after = (statement.get(name) for name in ("at", "before", "after"))
    head = [at_utc(at)] if isinstance(at, int | float) else []
    if isinstance(before, int | float) and isinstance(after, int | float):
        head += [f"{before:.2f} to {after:.2f}", f"{after - before:+.2f}"]
    yield "   ".join(head)
    for reason in statement.get("causes") or ():
        if isinstance(reason, Mapping) and isinstance(reason.get("points"), int | float):
            yield f"  {_points(reason['points']):>6}   {_told(reason)}"
        else:
            yield f"           {clipped(str(reason))}"


def _points(points: float) -> str:
    return f"{points:+.2f}" if abs(points) >= 0.005 else f"{points:+.4f}".rstrip("0").rstrip(".")


def _told(reason: Mapping[str, Any]) -> str:
    kind, count = str(reason.get("kind", "")), reason.get("count")
    if "actor" not in reason:
        one, *more = _REST.get(kind, (clipped(kind),))
        return f"{count} {more[0] if count != 1 else one}" if more and isinstance(count, int) else one
    did = f"{count} {_PLURAL.get(kind, clipped(kind))}" if isinstance(count, int) and count > 1 else clipped(kind)
    counted = reason.get("counted")
    damped = clipped(str(reason.get("damped_by", "")))
    why = f", counted at {_percent(counted)}: {_DAMPED.get(damped, damped)}" if isinstance(counted, int | float) else ""
    return f"{clipped(str(reason['actor']))}: {did}{why}"


def _percent(part: float) -> str:
    return f"{100 * part:.0f} %" if part >= 0.01 else "less than 1 %"
