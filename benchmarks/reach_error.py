"""Error and bias of reach against exact counts, from 10 to 1,000,000 people, and across the switch at 33.

python -m benchmarks reach_error [--quick]

Prints a JSON line per audience size. Each repetition folds people with weights and times of their own, as the table does:
exact up to 32, then the sketch and the difference carried over the switch. `relative_error` is the root mean square of
found/exact - 1, `bias` its mean, and `bias_error` the standard error of that mean: a bias within two or three of these is
none that can be seen.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator

import numpy as np

from benchmarks.run import Figures, Run
from streams.model import decay
from streams.settings import Settings
from streams.tables.entity_rows import EntityRows
from streams.tables.fold_reach import fold_reach, people_of

# people -> repetitions: what a minute or two allows.
SIZES = {10: 200, 32: 200, 33: 2000, 50: 2000, 100: 2000, 1_000: 1000, 10_000: 400, 100_000: 200, 1_000_000: 100}
SWITCH = range(31, 41)
SWITCH_REPETITIONS = 4000
START_S, SPREAD_S = 1.7e9, 20 * 86400.0
AT_ONCE = 50_000  # engagements folded by one call
SHARES = np.array([0.26, 0.63])


def found_over_exact(people: int, repetitions: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return found/exact of R and of G, one element per repetition, each an audience of distinct people."""
    settings = Settings()
    h = settings.half_life_slow_s
    table = EntityRows(settings)
    numbers = np.arange(repetitions, dtype=np.uint64)
    rows, _ = table.find_or_add(
        numbers + np.uint64(1), numbers, [b"account:%d" % i for i in range(repetitions)], np.arange(repetitions)
    )
    table.rows["at"][rows] = START_S + SPREAD_S
    exact = np.zeros((2, repetitions))
    # Audiences grow side by side, each person after the other, in pieces small enough for memory.
    step = max(1, AT_ONCE // repetitions)
    for first in range(0, people, step):
        count = min(step, people - first)
        position = np.tile(np.arange(repetitions), count)
        who = rng.integers(0, 2**63, len(position), dtype=np.uint64) * np.uint64(2)
        at = START_S + rng.uniform(0, SPREAD_S, len(position))
        reach = decay.log2_forward(rng.choice(SHARES, len(position)) * rng.uniform(0.1, 1, len(position)), at, h)
        network = reach + np.log2(rng.uniform(0.01, 0.7, len(position)))
        for which, forward in enumerate((reach, network)):
            exact[which] += np.bincount(position, np.exp2(forward - (START_S + SPREAD_S) / h), minlength=repetitions)
        entries = people_of(who, np.zeros(len(who), dtype=bool), (reach, network))
        fold_reach(table, rows, position, entries, np.zeros(len(who), dtype=bool))
    table.refresh_reach(rows)
    return table.rows["reach"][rows] / exact[0], table.rows["network"][rows] / exact[1]


def line(name: str, people: int, repetitions: int, rng: np.random.Generator) -> dict[str, float | str | int]:
    """Return what is printed of one size."""
    started = time.perf_counter()
    result: dict[str, float | str | int] = {"name": name, "people": people, "repetitions": repetitions}
    for column, ratio in zip(("reach", "network"), found_over_exact(people, repetitions, rng), strict=True):
        off = ratio - 1
        result[f"{column}_relative_error"] = round(float(np.sqrt(np.mean(off**2))), 5)
        result[f"{column}_bias"] = round(float(off.mean()), 5)
        result[f"{column}_bias_error"] = round(float(off.std() / np.sqrt(repetitions)), 5)
    return {**result, "seconds": round(time.perf_counter() - started, 2)}


def measure(run: Run, seed: int = 1) -> Iterator[Figures]:
    """Measure every size; quick is a tenth of the repetitions, and at most 100,000 people."""
    rng = np.random.default_rng(seed)
    part = 10 if run.is_quick else 1
    for people, repetitions in SIZES.items():
        if not run.is_quick or people <= 100_000:
            yield line("reach_error", people, max(4, repetitions // part), rng)
    for people in SWITCH:
        yield line("reach_switch", people, SWITCH_REPETITIONS // part, rng)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="error and bias of reach")
    parser.add_argument("--quick", action="store_true", help="a tenth of the repetitions, and at most 100,000 people")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    for figures in measure(Run(args.quick), args.seed):
        print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()
