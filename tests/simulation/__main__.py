"""Run schedules: `python -m tests.simulation --schedules 100000 --jobs 2`, or one again with all it did: `--seed N`."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import time
from collections import Counter

from .many import chunks, every_step, few_collections, run_chunk
from .schedule import Result, run


def tell(result: Result, last: int) -> None:
    """Print what a schedule did and how it ended."""
    print("\n".join(result.lines(last)))
    print(f"seed {result.seed}: {result.plan.shown()}")
    print("all held" if result.violation is None else f"VIOLATION: {result.violation}")


def main() -> int:
    """Run what the command line says; return 1 when anything was violated."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, help="run this schedule and tell all it did")
    parser.add_argument("--schedules", type=int, default=1000, help="how many to run (default 1000)")
    parser.add_argument("--first", type=int, default=0, help="seed of the first (default 0)")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default 1)")
    parser.add_argument("--every-step", action="store_true", help="run a small schedule with a crash at each of its steps")
    args = parser.parse_args()
    if args.every_step:
        found = [result for result in every_step() if result.violation is not None]
        for result in found:
            print(f"{result.plan.shown()}: VIOLATION: {result.violation}")
        return int(bool(found))
    if args.seed is not None:
        result = run(args.seed)
        tell(result, len(result.trace))
        return int(result.violation is not None)
    started_s, shown_s = time.monotonic(), time.monotonic()
    totals: Counter[str] = Counter()
    context = multiprocessing.get_context("spawn")
    with context.Pool(args.jobs, few_collections) as pool:
        for counted, violations in pool.imap_unordered(run_chunk, chunks(args.first, args.schedules)):
            totals.update(counted)
            for seed, what, plan, lines in violations:
                print("\n".join(lines))
                print(f"seed {seed}: {plan}\nVIOLATION: {what}\nagain: python -m tests.simulation --seed {seed}", flush=True)
            if time.monotonic() - shown_s > 10:
                shown_s = time.monotonic()
                per_s = totals["schedules"] / (shown_s - started_s)
                done = f"{totals['schedules']:,} of {args.schedules:,} schedules, {totals['violations']} violations"
                print(f"{done}, {per_s:.0f} a second", file=sys.stderr, flush=True)
    summary = {**totals, "seconds": round(time.monotonic() - started_s, 1)}
    summary["virtual_s"] = round(summary["virtual_s"])
    names = ("schedules", "steps", "crashes", "zombies", "wipes", "repairs", "violations")
    print(", ".join(f"{totals[name]:,} {name}" for name in names) + f" in {summary['seconds']} s")
    print(json.dumps(summary))
    return int(totals["violations"] > 0)


if __name__ == "__main__":
    sys.exit(main())
