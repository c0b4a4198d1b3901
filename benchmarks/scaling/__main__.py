"""`python -m benchmarks.scaling`: JSON lines on standard output, point by point as they are found, progress on the other.

A run that is cut leaves what it had; `--only` goes on with the rest.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial

from benchmarks.run import Figures, Run, machine, rounded, say
from benchmarks.scaling import accounts, people, spread, storage
from benchmarks.scaling.spread import Skew
from streams.errors import CloutstreamError
from streams.worker_process import ended_by_sigterm

Point = Callable[[Run], Iterator[Figures]]
SKEWS = {"zipf-0": Skew(), "zipf-0.8": Skew(0.8), "zipf-1": Skew(1.0), "zipf-1.2": Skew(1.2), "hot": Skew(hot_ratio=0.5)}
POINTS: dict[str, Point] = {
    "memory": people.measure,
    "kafka": storage.measure,
    **{f"accounts-{n}": partial(accounts.measure, count=n) for n in accounts.COUNTS[:-1]},
    **{
        f"partitions-{p}-workers-{w}": partial(spread.partitions, partitions=p, count=w)
        for p in (1, 2, 8, 16)
        for w in (1, 2)
        if w <= p
    },
    **{f"{name}-workers-1": partial(spread.skew, by=by, count=1) for name, by in SKEWS.items()},
    "hot-workers-2": partial(spread.skew, by=SKEWS["hot"], count=2),
    f"accounts-{accounts.COUNTS[-1]}": partial(accounts.measure, count=accounts.COUNTS[-1]),  # last: it takes longest
}


def main(argv: list[str] | None = None) -> int:
    """Measure the points named, or all; return 1 when any could not be measured."""
    args = _arguments(argv)
    if args.list:
        print("\n".join(POINTS))
        return 0
    run = Run(args.quick)
    has_failed = False
    _tell(run, {**machine(), "date": datetime.now(UTC).date().isoformat()}, "")
    with ended_by_sigterm():
        for name in args.only or POINTS:
            begun_s = time.monotonic()
            try:
                for figures in POINTS[name](run):
                    _tell(run, figures, name)
            except Exception as e:  # whatever it is: it took long to come this far, and the others are still to be measured
                say(f"{name} could not be measured: {e if isinstance(e, CloutstreamError) else repr(e)}")
                has_failed = True
            say(f"{name} took {time.monotonic() - begun_s:.0f} s")
    return int(has_failed)


def _tell(run: Run, figures: Figures, point: str) -> None:
    print(json.dumps({**rounded(figures), "point": point, "is_quick": run.is_quick}), flush=True)


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description="measure point by point; JSON lines")
    parser.add_argument(
        "--only", action="append", choices=POINTS, metavar="POINT", help="measure this one; may be given several times"
    )
    parser.add_argument("--quick", action="store_true", help="a small part of the work: shows that it runs, not how fast it is")
    parser.add_argument("--list", action="store_true", help="print the points and end")
    return parser.parse_args(argv)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
