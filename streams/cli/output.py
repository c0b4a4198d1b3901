"""What every command prints through: JSON as it is, and text in which other people's ids can't move anything."""

from __future__ import annotations

import sys
import unicodedata
from datetime import UTC, datetime
from typing import Any

import orjson
from rich.console import Console
from rich.text import Text

# Control, format (bidi overrides, zero-width), surrogate, private, unassigned, line and paragraph separators.
_ESCAPED = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_RIGHT_TO_LEFT = {"R", "AL", "AN"}
_MARKS_IN_A_ROW = 2  # no script needs more on one letter; stacks of them paint over the lines above and below
_LEFT_TO_RIGHT_MARK = "\u200e"
_JOINER = "\u200d"  # makes one emoji of several; anywhere else it is invisible
_SYMBOLS = {"So", "Sk", "Mn"}  # pictures, skin tones, the variation selector


def printable(text: str) -> str:
    r"""Return `text` with everything escaped that could move the cursor, reorder a line or hide.

    >>> print(printable("a\x1b[2Jb\u202ec"))
    a\x1b[2Jb\u202ec
    """
    shown: list[str] = []
    marks, is_rtl = 0, False
    for i, char in enumerate(text):
        category = unicodedata.category(char)
        marks = marks + 1 if category in ("Mn", "Me") else 0
        is_odd = category in _ESCAPED or marks > _MARKS_IN_A_ROW or (category == "Zs" and char != " ")
        if is_odd and not (char == _JOINER and _is_symbol(text[i - 1 : i]) and _is_symbol(text[i + 1 : i + 2])):
            shown.append(char.encode("unicode_escape").decode())
        else:
            shown.append(char)
            is_rtl = is_rtl or unicodedata.bidirectional(char) in _RIGHT_TO_LEFT
    # Without the mark, a terminal that reorders would draw the numbers of the following cells inside the id.
    return "".join(shown) + (_LEFT_TO_RIGHT_MARK if is_rtl else "")


def clipped(text: str, characters: int = 100) -> str:
    """Return `printable(text)`, cut: an id of 256 combining marks, each escaped, would fill a screen."""
    shown = printable(text)
    return shown if len(shown) <= characters else shown[: characters - 1] + "…"


def _is_symbol(char: str) -> bool:
    return char != "" and unicodedata.category(char) in _SYMBOLS


def name_text(text: str, style: str = "") -> Text:
    """Return an id for a table cell: never parsed as markup, cut with an ellipsis where the column ends."""
    return Text(printable(text), style=style, no_wrap=True, overflow="ellipsis")


def at_utc(at_s: float) -> str:
    """Return a time, epoch s, as a date and a time of day, UTC; one beyond what a date can say as it is.

    >>> at_utc(1e9)
    '2001-09-09 01:46:40'
    """
    return f"{datetime.fromtimestamp(at_s, UTC):%Y-%m-%d %H:%M:%S}" if 0 <= at_s < 253402300800 else str(at_s)


def short(number: float) -> str:
    """Return a count in at most five characters.

    >>> [short(n) for n in (0, 9999, 12345, 1234567, 3.2e9)]
    ['0', '9999', '12.3k', '1.2M', '3.2G']
    """
    if number < 10_000:
        return str(int(number))
    shown = number
    for unit in ("k", "M", "G", "T"):
        shown /= 1000
        if shown < 999.5:
            return f"{shown:.1f}{unit}" if shown < 99.95 else f"{shown:.0f}{unit}"
    return f"{number:.0e}"


class PipeConsole(Console):
    """A console that raises when its reader has gone away, instead of ending the process from inside."""

    def on_broken_pipe(self) -> None:
        """Leave it to `main`."""
        raise BrokenPipeError


def console(*, to_stderr: bool = False) -> Console:
    """Return a console; highlighting of numbers and parsing of markup and :emoji: are off, ids must stand as they are."""
    return PipeConsole(stderr=to_stderr, highlight=False, markup=False, emoji=False)


def print_json(value: Any) -> None:
    """Print one JSON object or array on one line, UTF-8 whatever the terminal speaks."""
    sys.stdout.flush()
    sys.stdout.buffer.write(orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE))
    sys.stdout.flush()
