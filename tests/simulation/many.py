"""Many schedules: parts of them for processes, and sums of what they were."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from .plan import Plan
from .schedule import Result, run

SHOWN_STEPS = 60
CHUNK = 50


def run_chunk(seeds: range) -> tuple[Counter[str], list[tuple[int, str, str, list[str]]]]:
    """Run some schedules; return sums, and what was violated: seed, what, plan, trace."""
    totals: Counter[str] = Counter()
    violations = []
    for seed in seeds:
        result = run(seed)
        totals.update(
            schedules=1, steps=result.steps, crashes=result.crashes, zombies=result.zombies, wipes=result.wipes,
            repairs=result.repairs, virtual_s=result.virtual_s, violations=result.violation is not None,
        )  # fmt: skip
        if result.violation is not None:
            violations.append((seed, result.violation, result.plan.shown(), result.lines(SHOWN_STEPS)))
    return totals, violations


def chunks(first: int, schedules: int) -> Iterator[range]:
    """Yield all seeds in parts that a process takes at a time."""
    for start in range(first, first + schedules, CHUNK):
        yield range(start, min(start + CHUNK, first + schedules))


def few_collections() -> None:
    gc.set_threshold(20_000, 50, 100)
    gc.freeze()


def every_step(seed: int = 5) -> Iterator[Result]:
    """Yield a small schedule's result with a crash at each step of its worker, one after the other."""
    plan = Plan(events=10, span_s=0.2, tick_ms=100.0, fetch_s=0.05, partitions=1, people=4, is_small=True)
    steps = run(seed, replace(plan)).steps
    for step in range(1, steps):
        result = run(seed, replace(plan, crash_steps=(step,)))
        yield result
        if not any("crashes" in what for _, what, _ in result.trace):
            return  # it was done before
