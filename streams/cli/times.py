"""Times on the command line."""

from __future__ import annotations

import re
from datetime import datetime

from streams.errors import UsageError

_UNITS_S = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_AGO = re.compile(r"(\d{1,9}(?:\.\d+)?)([smhd])")


def ago_or_at(text: str, now_s: float) -> float:
    """Return a time, epoch s, given as RFC 3339 with a zone, as epoch seconds, or as how long ago.

    >>> ago_or_at("2h", 10_000.0)
    2800.0

    Raises:
        UsageError: it is none of these.
    """
    if found := _AGO.fullmatch(text):
        return now_s - float(found[1]) * _UNITS_S[found[2]]
    if re.fullmatch(r"\d{1,11}(\.\d+)?", text):
        return float(text)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise UsageError(f"{text!r} isn't a time; expected 2026-01-31T12:00:00Z, epoch seconds, or how long ago: 90m, 36h, 7d")
    return at.timestamp()
