"""`python -m benchmarks.sizing RESULTS...`: write `docs/sizing.md` and its plots from the lines of `benchmarks.scaling`.

Of a point that was measured more than once the last line counts.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from benchmarks.run import say
from benchmarks.sizing.page import page
from benchmarks.sizing.series import charts
from streams.errors import CloutstreamError

DOCS = Path(__file__).parents[2] / "docs"


def main(argv: list[str] | None = None) -> int:
    """Write the page and its plots."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.sizing", description="write docs/sizing.md and its plots from a run"
    )
    parser.add_argument("results", nargs="+", type=Path, help="what `python -m benchmarks.scaling` printed")
    parser.add_argument("--folder", type=Path, default=DOCS, help="where to write; docs")
    args = parser.parse_args(argv)
    lines = [json.loads(line) for path in args.results for line in path.read_text().splitlines()]
    files = {"sizing.md": page(lines), **{f"{chart.name}.svg": chart.svg() for chart in charts(lines)}}
    args.folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (args.folder / name).write_text(text)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except CloutstreamError as e:
        say(str(e))
        sys.exit(e.exit_code)
