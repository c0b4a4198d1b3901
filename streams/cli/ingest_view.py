"""What a running source shows: rate, how far behind it is, and what came of the messages."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

from rich.console import RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from streams.cli.output import clipped, console
from streams.sources.counts import Counts
from streams.sources.source import Source

PICTURE_S = 0.5
MOST_LINES = 12


@contextlib.asynccontextmanager
async def shown(source: Source, counts: Counts, report_s: float) -> AsyncIterator[Callable[[str], None]]:
    """Show a source on standard error while the block runs; gives what prints a line for a person.

    On a terminal the counts stand below the lines and move; elsewhere there is a line every `report_s` seconds.
    """
    err = console(to_stderr=True)

    def tell(line: str) -> None:
        err.print(f"{datetime.now(UTC):%H:%M:%S} {source.name}: {clipped(line, 300)}", soft_wrap=True)

    with contextlib.ExitStack() as stack:
        live = stack.enter_context(Live(console=err, auto_refresh=False, transient=True)) if err.is_terminal else None

        async def show() -> None:
            while True:
                await asyncio.sleep(PICTURE_S if live else report_s)
                if live:
                    live.update(draw(source, counts, time.time(), time.monotonic()), refresh=True)
                else:
                    tell(summary(source, counts, time.time(), time.monotonic()))

        showing = asyncio.ensure_future(show())
        try:
            yield tell
        finally:
            showing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await showing


def summary(source: Source, counts: Counts, now_s: float, monotonic_s: float) -> str:
    """Return rate, age and totals in a line."""
    return f"{pace(source, counts, now_s, monotonic_s)}, {totals(counts)}"


def pace(source: Source, counts: Counts, now_s: float, monotonic_s: float) -> str:
    """Return messages and events a second, and how far behind the source is."""
    messages, events = counts.rates(monotonic_s)
    behind_s = counts.behind_s(now_s)
    said = [f"{messages:,.0f} messages/s", f"{events:,.0f} events/s"]
    if source.is_live and behind_s is not None:
        said.append(f"{behind_s:,.1f} s behind")
    return ", ".join(said)


def totals(counts: Counts) -> str:
    """Return how many messages, events and drops there were."""
    return f"{counts.messages.total():,} messages, {counts.events.total():,} events, {counts.dropped.total():,} dropped"


def draw(source: Source, counts: Counts, now_s: float, monotonic_s: float) -> RenderableType:
    """Return the summary, and the counts by kind side by side."""
    table = Table(box=None, padding=(0, 3, 0, 0), header_style="dim", caption_justify="left", title_justify="left")
    table.title = Text(f"{source.name}  {summary(source, counts, now_s, monotonic_s)}", style="bold")
    columns = [_column("messages", counts.messages), _column("events", counts.events), _column("dropped", counts.dropped)]
    other = _others(source, counts)
    columns.append(_column("", {name: count for name, count in other.items() if count}))
    for heading, _ in columns:
        table.add_column(heading, no_wrap=True)
    for row in range(max(len(lines) for _, lines in columns)):
        table.add_row(*(lines[row] if row < len(lines) else "" for _, lines in columns))
    return table


def _column(heading: str, counts: Any) -> tuple[str, list[str]]:
    largest = sorted(counts.items(), key=lambda item: -item[1])
    lines = [f"{count:>12,} {clipped(name.replace('_', ' '), 30)}" for name, count in largest[:MOST_LINES]]
    return heading, lines + ([f"{'':>12} and {len(largest) - MOST_LINES} more"] if len(largest) > MOST_LINES else [])


def as_dict(source: Source, counts: Counts) -> dict[str, Any]:
    """Return the counts as printed with `--json`."""
    return {
        "source": source.name,
        "messages": dict(counts.messages),
        "events": dict(counts.events),
        "dropped": dict(counts.dropped),
        **_others(source, counts),
    }


def _others(source: Source, counts: Counts) -> dict[str, float]:
    return {"kept": counts.kept, "not_kept": counts.not_kept, "forget": counts.forget, **source.counters()}


def print_counts(source: Source, counts: Counts) -> None:
    """Print the counts as they are at the end."""
    out = console()
    for heading, lines in (("messages", counts.messages), ("events", counts.events), ("dropped", counts.dropped)):
        total = sum(lines.values())
        parts = ", ".join(f"{count:,} {clipped(name, 60)}" for name, count in lines.most_common())
        out.print(f"{heading} {total:,}" + (f": {parts}" if parts else ""), soft_wrap=True)
    rest = _others(source, counts)
    sys.stdout.flush()
    if any(rest.values()):
        out.print(", ".join(f"{name.replace('_', ' ')} {value:,}" for name, value in rest.items() if value), soft_wrap=True)
