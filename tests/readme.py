"""The README as its tests read it: fenced blocks by language, and tables by heading."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"


def text() -> str:
    """Return the whole README."""
    return README.read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """Return the content of every fenced block of a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text(), flags=re.MULTILINE | re.DOTALL)


def table(first_header: str) -> list[list[str]]:
    """Return the rows of the table whose first column has this header, without header and rule."""
    lines = iter(text().splitlines())
    for line in lines:
        if line.startswith(f"| {first_header} |"):
            next(lines)
            rows = []
            for row in lines:
                if not row.startswith("|"):
                    return rows
                rows.append([cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", row)[1:-1]])
            return rows
    raise AssertionError(f"README.md has no table that begins with the column {first_header!r}")


def code(cell: str) -> str:
    """Return what stands between the first backticks of a cell; empty when there are none."""
    found = re.search(r"`([^`]*)`", cell)
    return found[1] if found else ""
