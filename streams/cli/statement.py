"""A statement of why a score moved as lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from streams.cli.output import at_utc, clipped


def lines(statement: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line of when and what, and an indented one for each of its reasons.

    >>> for line in lines({"at": 60.0, "before": 3.0, "after": 4.25, "causes": [{"kind": "like", "actor": "bob"}]}):
    ...     print(line)
    1970-01-01 00:01:00   before 3.00   after 4.25
      causes: kind like   actor bob
    """
    at = statement.get("at")
    head = [at_utc(at)] if isinstance(at, int | float) else []
    head += [_named(name, value) for name, value in statement.items() if name != "at" and not isinstance(value, list | dict)]
    yield "   ".join(head)
    for name, value in statement.items():
        for part in value if isinstance(value, list) else [value] if isinstance(value, dict) else []:
            shown = [_named(*item) for item in part.items()] if isinstance(part, dict) else [_text(part)]
            yield f"  {clipped(name)}: {'   '.join(shown)}"


def _named(name: str, value: Any) -> str:
    return f"{clipped(name).replace('_', ' ')} {_text(value)}"


def _text(value: Any) -> str:
    return f"{value:.2f}" if isinstance(value, float) else clipped(str(value))
