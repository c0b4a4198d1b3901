"""The order of a run, and what it prints: systems in turn, one line for each result; what fails is told, and the others go on.

Loads are steady at two rates: one for all, low enough for the slowest, and half of what each drained (at most 20,000 a second:
to send more would take a core for itself).
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks.peers import drain, steady
from benchmarks.peers.stage import Stage
from benchmarks.peers.systems import FLOORS, System
from benchmarks.run import Figures, rounded, say
from streams.errors import CloutstreamError

COMMON_RATE_PER_S, MOST_PER_S, LEAST_PER_S = 1_000, 20_000, 100


@dataclass(frozen=True)
class Pace:
    """How much work a run is."""

    busy_s: float = 10.0  # how long a log must keep a system busy
    load_s: int = 30  # how long a steady load is measured
    is_quick: bool = False  # a small part of the work, whatever the others say


class Runner:
    """Runs what was asked for, and prints a line for each result; `lines` are all so far."""

    def __init__(self, stage: Stage, systems: Sequence[System], pace: Pace) -> None:
        self._stage, self._systems, self._pace = stage, list(systems), pace
        self.lines: list[Figures] = []
        self.has_failed = False

    def tell(self, figures: Figures) -> None:
        """Print a line, and keep it."""
        line = {**rounded(figures), "is_quick": self._pace.is_quick}
        self.lines.append(line)
        print(json.dumps(line), flush=True)

    @contextmanager
    def attempt(self, name: str, what: str) -> Iterator[None]:
        """Tell a failure inside the block instead of ending with it."""
        say(f"{name}: {what}")
        try:
            yield
        except Exception as e:  # whatever it is: it took long to come this far, and the others are still to be measured
            why = str(e) if isinstance(e, CloutstreamError) else repr(e)
            self.has_failed = True
            self.tell({"name": "failed", "system": name, "what": what, "why": f"{what}: {why}"})

    def drains(self, rounds: int, workers: Sequence[int]) -> None:
        """Drain logs in rounds, systems in turn, every other round the other way round: a drift of the machine evens out.

        The first round begins with looking for the size of each system's log.
        """
        sizes: dict[tuple[str, int], int] = {}
        measured = set[tuple[str, int]]()
        for count in workers:
            for system in self._systems:
                with self.attempt(system.name, f"looking for a log that keeps {count} busy"):
                    size, found = self._enough(system, count, sizes.get((system.name, workers[0]), drain.LOGS_EVENTS[0]))
                    sizes[system.name, count] = size
                    if found:
                        self.tell({**found, "round": 1})
                        measured.add((system.name, count))
        for number in range(rounds):
            for count in workers:
                for system in self._systems[:: -1 if number % 2 else 1]:
                    events = sizes.get((system.name, count))
                    if events and (number or (system.name, count) not in measured):
                        with self.attempt(
                            system.name, f"draining {events} events, {count} workers, round {number + 1} of {rounds}"
                        ):
                            self.tell({**drain.measure(self._stage, system, events, count), "round": number + 1})

    def _enough(self, system: System, count: int, least: int) -> tuple[int, Figures | None]:
        if self._pace.is_quick:
            return drain.QUICK_EVENTS, None
        return drain.enough(self._stage, system, count, least, self._pace.busy_s)

    def steadies(self) -> None:
        """Load each system that could drain a log with one worker, at the common rate and at half its speed."""
        for system in self._systems:
            drained = [line["events_per_second"] for line in self.lines if self._is_drain_of(line, system)]
            if not drained:
                continue
            half = max(LEAST_PER_S, min(MOST_PER_S, int(statistics.median(drained) / 2)))
            rates = {"common": COMMON_RATE_PER_S} if self._pace.is_quick else {"common": COMMON_RATE_PER_S, "half": half}
            for name, rate in rates.items():
                with self.attempt(system.name, f"{rate} events a second"):
                    found = steady.measure(self._stage, system, rate, self._pace.load_s, self._pace.is_quick)
                    self.tell({**found, "rate": name})

    def floors(self, rounds: int) -> None:
        """Measure what the parts take by themselves."""
        events = drain.QUICK_EVENTS if self._pace.is_quick else drain.LOGS_EVENTS[-2]
        for number in range(rounds):
            for name in FLOORS:
                with self.attempt("floors", f"{name}, round {number + 1} of {rounds}"):
                    said = self._stage.floor(name, events)
                    figures = {
                        "per_second": said["count"] / said["seconds"],
                        "cpu_s_per_million": said["cpu_s"] / said["count"] * 1e6,
                        "peak_rss_mb": said["peak_rss_mb"],
                    }
                    self.tell({"name": "floor", "floor": name, **figures, "round": number + 1})

    def _is_drain_of(self, line: Figures, system: System) -> bool:
        return (line["name"], line.get("system"), line.get("workers")) == ("drain", system.name, 1)
