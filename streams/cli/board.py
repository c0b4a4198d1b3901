"""One picture of the live leaderboard: what is read for it, and how it is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from streams.cli.output import at_utc, name_text, printable, short
from streams.movement import Movement, Rate
from streams.reader import Reader, Standing, Stats
from streams.reader.records import OUTCOMES

SIDE_FROM_COLUMNS = 116  # room for the trending board beside the main one
COUNTS_FROM_COLUMNS = 76
SIDE_COLUMNS = 36
BAR_COLUMNS = 8
_EIGHTHS = " ▏▎▍▌▋▊▉"


@dataclass(frozen=True, slots=True)
class Frame:
    """What one picture shows.

    `moved` has ranks gained (negative: lost) in the last seconds by account, None for one that wasn't on the board.
    `events_per_second` is None before two counts have been seen.
    """

    now: float
    top: list[Standing]
    trending: list[Standing]
    moved: dict[str, int | None]
    stats: Stats
    events_per_second: float | None
    is_complete: bool

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as printed with `--json`."""
        return {
            "now": round(self.now, 3),
            "complete": self.is_complete,
            "events_per_second": None if self.events_per_second is None else round(self.events_per_second, 1),
            "stats": self.stats.as_dict(),
            "top": [{**p.as_dict(), "moved": self.moved[p.account]} for p in self.top],
            "trending": [p.as_dict() for p in self.trending],
        }


class Follower:
    """Reads frames one after another and remembers what movement and rate are measured from."""

    def __init__(self, reader: Reader, scope: str = "all") -> None:
        self._reader = reader
        self._scope = scope
        self._movement = Movement()
        self._rate = Rate()

    def frame(self, n: int, monotonic_s: float) -> Frame:
        """Read a frame of `n` places; `monotonic_s` is a clock that never goes back, in seconds."""
        top = self._reader.top(self._scope, "standing", n)
        trending = self._reader.top(self._scope, "trending", n)
        stats = self._reader.stats()
        moved = self._movement.moved({p.account: p.rank for p in top}, monotonic_s)
        rate = self._rate.per_second(stats.position, monotonic_s)
        return Frame(self._reader.now(), top, trending, moved, stats, rate, self._reader.is_complete())


def draw(frame: Frame, columns: int, problem: str = "", *, page: str = "", below: Sequence[Text] = ()) -> RenderableType:
    """Return a picture of `frame` for a terminal of `columns`.

    `problem` is said above the board, and `page` beside the time, where the same can be seen; lines `below` are cut to fit.
    """
    for line in below:
        line.truncate(columns, overflow="ellipsis")
    has_side = columns >= SIDE_FROM_COLUMNS and bool(frame.top)
    board = _board(frame, columns - SIDE_COLUMNS - 2 if has_side else columns)
    if has_side:
        sides = Table.grid(padding=(0, 2, 0, 0))
        sides.add_row(board, _trending(frame.trending))
        return Group(_header(frame, columns, problem, page), sides, *below, _footer(frame, columns))
    return Group(_header(frame, columns, problem, page), board, *below, _footer(frame, columns))


def _header(frame: Frame, columns: int, problem: str, page: str) -> RenderableType:
    line = Table.grid(expand=True)
    line.width = columns
    line.add_column(no_wrap=True)
    line.add_column(justify="right", no_wrap=True)
    rate = "" if frame.events_per_second is None else f"{frame.events_per_second:,.0f} events/s"
    line.add_row(
        Text.assemble(("Cloutstream", "bold"), "  ", (f"{at_utc(frame.now)} UTC", "dim"), f"  {page}"),
        Text(rate, style="bold green"),
    )
    if not problem and frame.is_complete:
        return line
    note = (
        Text(printable(problem), style="bold red")
        if problem
        else Text("not complete: no worker yet, or a rebuild", style="yellow")
    )
    note.truncate(columns, overflow="ellipsis")
    return Group(line, note)


def _footer(frame: Frame, columns: int) -> Text:
    counts = [(name, frame.stats.outcomes[name]) for name in OUTCOMES]
    line = Text(no_wrap=True, overflow="ellipsis", style="dim")
    for i, (name, count) in enumerate(c for c in counts if c[1] or c[0] == "applied"):
        line.append(" · " if i else "")
        line.append(
            f"{count:,} {'events counted' if name == 'applied' else name}",
            style="yellow" if name in ("refused", "misplaced") else "",
        )
    line.truncate(columns, overflow="ellipsis")
    return line


def _board(frame: Frame, columns: int) -> RenderableType:
    if not frame.top:
        return Text("nobody is on this board yet", style="dim")
    has_counts = columns >= COUNTS_FROM_COLUMNS
    table = Table(box=None, header_style="dim", padding=(0, 1, 0, 0), pad_edge=False, width=columns)
    table.add_column("#", justify="right", width=4, no_wrap=True)
    table.add_column("", width=4, no_wrap=True)
    table.add_column("account", ratio=1, no_wrap=True, overflow="ellipsis")
    table.add_column("score", justify="right", width=5, no_wrap=True)
    table.add_column("±", justify="right", width=4, no_wrap=True)
    table.add_column("", width=BAR_COLUMNS, no_wrap=True)
    if has_counts:
        for name in ("reach", "posts", "likes", "shares", "replies"):
            table.add_column(name, justify="right", width=max(5, len(name)), no_wrap=True)
    for p in frame.top:
        counts = [short(n) for n in (p.reach, p.posts, p.likes, p.shares, p.replies)] if has_counts else []
        table.add_row(
            str(p.rank), _movement(frame.moved.get(p.account)), name_text(p.account), Text(f"{p.score:.1f}", style="bold"),
            f"{p.plus_minus:.1f}", Text(bar(p.score), style="cyan"), *counts, style="dim" if p.provisional else "",
        )  # fmt: skip
    return table


def _trending(places: list[Standing]) -> Table:
    table = Table(box=None, header_style="dim", padding=(0, 1, 0, 0), pad_edge=False, width=SIDE_COLUMNS)
    table.add_column("#", justify="right", width=4, no_wrap=True)
    table.add_column("trending", ratio=1, no_wrap=True, overflow="ellipsis")
    table.add_column("now", justify="right", width=5, no_wrap=True)
    for p in places:
        table.add_row(str(p.rank), name_text(p.account), f"{p.score:.1f}")
    return table


def _movement(ranks: int | None) -> Text:
    if ranks is None:
        return Text("new", style="cyan")
    if ranks == 0:
        return Text("")
    return Text(f"{'▲' if ranks > 0 else '▼'}{min(999, abs(ranks))}", style="green" if ranks > 0 else "red")


def bar(score: float) -> str:
    """Return a bar of a score, full at 100, in eighths of a column.

    >>> bar(50.0)
    '████'
    """
    eighths = round(max(0.0, min(100.0, score)) / 100 * BAR_COLUMNS * 8)
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()
