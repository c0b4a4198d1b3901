"""A text that is never shown."""

from __future__ import annotations


class Secret(str):
    """A string that never shows itself in a log or a traceback."""

    def __repr__(self) -> str:
        return f"Secret({str(self)!r})"

    def __str__(self) -> str:
        return "***" if self else ""

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    def reveal(self) -> str:
        """Return the text itself, for the client that needs it."""
        return str.__str__(self)
