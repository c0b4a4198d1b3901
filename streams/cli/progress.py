"""Progress on a terminal, and the few lines that a long command ends with."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from streams.cli.output import console, name_text

Show = Callable[[str, float, float], None]


@contextlib.contextmanager
def bar(title: str) -> Iterator[Show]:
    """Give a function of (title, done, total) that moves a bar on standard error; without a terminal it shows nothing."""
    err = console(to_stderr=True)
    if not err.is_terminal:
        yield lambda title, done, total: None
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=err, transient=True) as progress:
        task = progress.add_task(title, total=None)
        yield lambda title, done, total: progress.update(task, description=title, completed=done, total=total or None)


def print_rows(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print rows of a leaderboard as a table."""
    if not rows:
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("#", justify="right")
    for name in rows[0]:
        table.add_column(name.replace("plus_minus", "±"), justify="left" if name == "account" else "right")
    for rank, row in enumerate(rows, 1):
        cells = (f"{value:.1f}" if isinstance(value, float) else str(value) for name, value in row.items() if name != "account")
        table.add_row(str(rank), name_text(row["account"]), *cells)
    console().print(table)


def print_counts(counts: Mapping[str, float]) -> None:
    """Print named numbers on one line."""
    console().print("   ".join(f"{name.replace('_', ' ')} {value:,}" for name, value in counts.items()), soft_wrap=True)
