"""Bytes of worker memory per account by how many people are engaged with it, each number in a process of its own."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks import memory
from benchmarks.run import Figures, Run, say

COUNTS = (1, 3, 10, 32, 100)  # above 32 an account has a sketch, which doesn't grow
ENGAGEMENTS, QUICK_ENGAGEMENTS = 3_000_000, 60_000
MOST_ROWS = 500_000


def measure(run: Run) -> Iterator[Figures]:
    """Measure entities by people, and actors."""
    total = QUICK_ENGAGEMENTS if run.is_quick else ENGAGEMENTS
    for count in COUNTS:
        rows = min(MOST_ROWS, total // count)
        say(f"{rows} accounts with {count} engaged people each")
        yield {"name": "memory", "people": count, **memory.measured(f"{memory.PEOPLE}{count}", rows)}
    rows = total // 6
    say(f"{rows} actors")
    yield {"name": "memory_actors", **memory.measured(memory.ACTORS, rows)}
