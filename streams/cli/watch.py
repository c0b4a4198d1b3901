"""`watch`: the leaderboard in the terminal, moving as scores change."""

from __future__ import annotations

import argparse
import signal
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from streams.cli.amounts import positive_float, positive_int
from streams.errors import ServiceUnavailable
from streams.settings import Settings

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from streams.reader import Reader

LINES_AROUND = 4  # header, a problem, column names, footer
PLACES_WITHOUT_A_TERMINAL = 20


def register(subparsers: Any) -> None:
    """Add `watch`."""
    parser = subparsers.add_parser(
        "watch", help="the live leaderboard", description="Show the leaderboard as it moves; Ctrl-C ends."
    )
    parser.add_argument("-n", type=positive_int, metavar="N", help="places to show (default: what fits)")
    parser.add_argument("--topic", metavar="TAG", help="accounts inside this topic")
    parser.add_argument("--interval", type=positive_float, default=1.0, metavar="S", help="seconds between pictures (default 1)")
    parser.add_argument("--seconds", type=positive_float, metavar="S", help="end after this long")
    parser.add_argument("--once", action="store_true", help="print one picture and end")
    parser.add_argument("--json", action="store_true", help="one JSON object a line instead of pictures")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Show pictures until the time is over or Ctrl-C."""
    from streams import entities
    from streams.cli.board import Follower, draw
    from streams.cli.output import console, print_json
    from streams.reader import Reader
    from streams.redis.client import session

    # Ended from outside, the terminal must be put back as it was, as after Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    scope = entities.topic(args.topic) if args.topic is not None else "all"
    screen = console()
    with session(settings) as client:
        reader = Reader(settings, client)
        if screen.is_terminal and not args.json and not args.once:
            live(reader, screen, scope=scope, n=args.n, interval_s=args.interval, seconds=args.seconds)
            return 0
        follower = Follower(reader, scope)
        for frame in _frames(follower, args):
            if args.json:
                print_json(frame.as_dict())
            else:
                screen.print(draw(frame, screen.width))
    return 0


def live(
    reader: Reader,
    screen: Console,
    *,
    scope: str = "all",
    n: int | None = None,
    interval_s: float = 1.0,
    seconds: float | None = None,
    until: Callable[[], bool] = lambda: False,
    page: str = "",
    below: Callable[[], Sequence[Text]] = tuple,
) -> None:
    """Draw pictures on a terminal until `seconds` are over or `until` says so; a Redis that is away is said, not fatal.

    Args:
        reader: where to read.
        screen: the terminal.
        scope: the board, as in `Reader.top`.
        n: places; None for what fits.
        interval_s: seconds between pictures.
        seconds: how long; None for ever.
        until: asked after each picture.
        page: said at the top, as in `draw`.
        below: asked for the lines below each board.
    """
    from rich.live import Live
    from rich.text import Text

    from streams.cli.board import Follower, draw

    follower, frame = Follower(reader, scope), None
    lines: Sequence[Text] = ()
    end_s = float("inf") if seconds is None else time.monotonic() + seconds
    with Live(console=screen, screen=True, auto_refresh=False) as picture:
        while True:
            problem = ""
            try:
                lines = below()
                fitting = max(1, screen.height - LINES_AROUND - len(lines))
                frame = follower.frame(min(n or fitting, fitting), time.monotonic())
            except ServiceUnavailable as e:
                problem = f"{e}; trying again"
            drawn = Text(problem) if frame is None else draw(frame, screen.width, problem, page=page, below=lines)
            picture.update(drawn, refresh=True)
            left_s = end_s - time.monotonic()
            if left_s <= 0 or until():
                return
            time.sleep(min(interval_s, left_s))


def _frames(follower: Any, args: argparse.Namespace) -> Any:
    end_s = float("inf") if args.seconds is None else time.monotonic() + args.seconds
    while True:
        yield follower.frame(args.n or PLACES_WITHOUT_A_TERMINAL, time.monotonic())
        left_s = end_s - time.monotonic()
        if args.once or left_s <= 0:
            return
        time.sleep(min(args.interval, left_s))
