"""Numbers and times on the command line."""

from __future__ import annotations

import argparse
import math
from datetime import datetime


def positive_int(text: str) -> int:
    """Return a whole number from 1 up."""
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text[:20]) <= 10**12:
        raise argparse.ArgumentTypeError(f"{text!r} isn't a whole number from 1 up")
    return int(text)


def natural_int(text: str) -> int:
    """Return a whole number from 0 up."""
    return 0 if text == "0" else positive_int(text)


def positive_float(text: str) -> float:
    """Return a number above 0."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < 1e12:
        raise argparse.ArgumentTypeError(f"{text!r} isn't a number above 0")
    return number


def non_negative_float(text: str) -> float:
    """Return a number from 0 up."""
    return 0.0 if text == "0" else positive_float(text)


def epoch_time(text: str) -> float:
    """Return a time as epoch seconds: given so, or as RFC 3339 with a time zone."""
    try:
        moment = datetime.fromisoformat(text)
        number = moment.timestamp() if moment.tzinfo is not None else math.nan
    except ValueError:
        try:
            number = float(text)
        except ValueError:
            number = math.nan
    if not 0 < number <= 253402300799:
        raise argparse.ArgumentTypeError(f"{text!r} isn't a time such as 2026-01-31T12:00:00Z, with a zone, or epoch seconds")
    return number
