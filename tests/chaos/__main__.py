"""Play faults and print the table: `python tests/chaos [--short] [--only TEXT] [--seed N] [--json FILE]`."""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

sys.path[0] = str(Path(__file__).parent.parent)

from chaos.faults import FAULTS  # noqa: E402  # found by the line before, as under pytest
from chaos.row import NotPlayable, Row, cells, markdown  # noqa: E402
from chaos.stage import Stage  # noqa: E402

WIDTHS = [56, 6, 9, 5, 7, 8, 8, 7]


def play(names: list[str], seed: int, stack: ExitStack, *, is_long: bool) -> Iterator[Row]:
    """Play faults one after the other and yield their rows; what fails in one is its row's, and the next goes on."""
    stage = Stage(seed, is_long, stack)
    for name in names:
        row = Row(name, seed)
        begun_s = time.monotonic()
        stage.chance.seed(f"{seed} {name}")
        try:
            FAULTS[name](stage, row)
        except NotPlayable as e:
            row.not_played = str(e)
        except Exception as e:
            traceback.print_exc()
            row.wrong.append(f"{type(e).__name__}: {str(e).splitlines()[0]}")
        row.took_s = round(time.monotonic() - begun_s, 1)
        print("  ".join(cell.ljust(width) for cell, width in zip(cells(row), WIDTHS, strict=True)))
        for said in [*map(str, row.limits), *row.said]:
            print(f"    {said}")
        sys.stdout.flush()
        yield row


def main() -> int:
    """Play what was asked for; return 0 when every row is met, in the short form when none is wrong."""
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument(
        "--short",
        action="store_true",
        help="fewer rounds of each: minutes instead of hours; slowness is told, but fails only the long form",
    )
    parser.add_argument(
        "--only", metavar="TEXT", action="append", default=[], help="only faults with this in their name; repeatable"
    )
    parser.add_argument("--seed", type=int, default=1, help="decides all that is drawn (default %(default)s)")
    parser.add_argument(
        "--again", action="store_true", help="play once more what failed, and have that count; never where values were wrong"
    )
    parser.add_argument("--json", metavar="FILE", help="append a JSON line a fault")
    parser.add_argument("--markdown", metavar="FILE", help="write the table")
    args = parser.parse_args()
    names = [name for name in FAULTS if not args.only or any(text in name for text in args.only)]
    if not names:
        parser.error(f"no fault has {' or '.join(map(repr, args.only))} in its name; there are: {'; '.join(FAULTS)}")
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # a load's requests that a broken Kafka never answered
    by_fault: dict[str, Row] = {}

    def play_all(names: list[str]) -> None:
        with ExitStack() as stack:
            for row in play(names, args.seed, stack, is_long=not args.short):
                by_fault[row.fault] = row
                # Row by row: a run takes hours, and may be cut short.
                if args.json:
                    with open(args.json, "a") as out:
                        out.write(json.dumps(row.as_dict()) + "\n")
                if args.markdown:
                    Path(args.markdown).write_text(markdown([*by_fault.values()]) + "\n")

    play_all(names)
    if args.again and (wrong := [row.fault for row in by_fault.values() if not row.is_right and not row.is_finding]):
        print(f"once more, by themselves: {'; '.join(wrong)}", flush=True)
        play_all(wrong)
    rows = [*by_fault.values()]
    missed = [row for row in rows if not row.is_met]
    for row in missed:  # once more, with why: of a long log often the end alone is kept
        print(f"{row.fault}: {row.verdict}: {'; '.join(map(str, [*row.missed, *row.said]))}")
    print(f"{len(rows) - len(missed)} of {len(rows)} met")
    return int(not all(row.is_right if args.short else row.is_met for row in rows))


if __name__ == "__main__":
    sys.exit(main())
