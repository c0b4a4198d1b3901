"""Times as networks write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

TIME_UNITS = {"s": 1.0, "ms": 1e3, "us": 1e6}


def time_of(value: Any, unit: str = "s") -> float | None:
    """Return a time as epoch seconds: a number in `unit`, or text in ISO 8601; None when it is neither.

    >>> time_of("2016-03-30T18:30:18"), time_of(1500, "ms"), time_of("soon")
    (1459362618.0, 1.5, None)
    """
    if isinstance(value, str):
        if re.fullmatch(r"\d{1,20}(\.\d{1,20})?", value, re.ASCII):
            return float(value) / TIME_UNITS[unit]
        try:
            parsed = datetime.fromisoformat(value)
            return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            return None
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e20:
        return float(value) / TIME_UNITS[unit]
    return None
