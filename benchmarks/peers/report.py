"""From the lines of a run to one row per system, and those as a table for a README."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.peers.systems import FLOORS, SYSTEMS
from benchmarks.run import Figures

HEADINGS = [
    "System", "Events/s, one worker", "two workers", "CPU s a million", "Memory, MB", "p50 / p99 at {rate:,}/s",
    "at half its speed, 20,000/s at most", "Recovers from",
]  # fmt: skip


@dataclass
class Row:
    """One system; what failed is in `failures`, and what wasn't measured is missing."""

    name: str
    version: str = ""
    drains: dict[int, list[Figures]] = field(default_factory=dict)  # by number of workers
    steady: dict[str, Figures] = field(default_factory=dict)  # by what the rate was: common, half
    failures: list[str] = field(default_factory=list)

    def speed(self, workers: int) -> tuple[float, float, float] | None:
        """Return least, median and most events per second."""
        found = sorted(figures["events_per_second"] for figures in self.drains.get(workers, ()))
        return (found[0], statistics.median(found), found[-1]) if found else None

    def median(self, figure: str, workers: int = 1) -> float | None:
        """Return the median of a figure of the drains."""
        found = [figures[figure] for figures in self.drains.get(workers, ())]
        return statistics.median(found) if found else None


def rows(lines: Sequence[Figures]) -> list[Row]:
    """Return the systems in the order of `SYSTEMS`, with what was measured of each."""
    found: dict[str, Row] = {}
    for line in lines:
        if "system" not in line:
            continue
        row = found.setdefault(line["system"], Row(line["system"]))
        if line["name"] == "system":
            row.version = line["version"]
        elif line["name"] == "drain":
            row.drains.setdefault(line["workers"], []).append(line)
        elif line["name"] == "steady":
            row.steady[line["rate"]] = line
        elif line["name"] == "failed":
            row.failures.append(line["why"])
    return [found[name] for name in SYSTEMS if name in found]


def markdown(lines: Sequence[Figures]) -> str:
    """Return the table, under a line that says on what and when it was measured."""
    by_name = {line["name"]: line for line in lines}
    machine, run = by_name["machine"], by_name["run"]
    found = rows(lines)
    rate = next((row.steady["common"]["asked_per_second"] for row in found if "common" in row.steady), 0)
    text = ["**A quick run: it shows that all run, not how fast they are.**", ""] if run.get("is_quick") else []
    text += [
        f"{run['date']}, {machine['cpus']} CPUs ({machine['processor']}), {machine['memory_gb']:.0f} GB, Python "
        f"{machine['python']}, Apache Kafka {run['kafka']} and Redis {run['redis']} on the same machine; {run['rounds']} "
        "rounds in turn, median (least to most).",
        "",
        "| " + " | ".join(heading.format(rate=rate) for heading in HEADINGS) + " |",
        "|" + "---|" * len(HEADINGS),
    ]
    for row in found:
        system = SYSTEMS[row.name]
        cells = [
            f"{system.title} {row.version}",
            _speed(row.speed(1)),
            _speed(row.speed(2)),
            _number(row.median("cpu_s_per_million"), "{:.1f}"),
            _number(row.median("peak_rss_mb"), "{:,.0f}"),
            _late(row.steady.get("common")),
            _late(row.steady.get("half")),
            system.store,
        ]
        text.append("| " + " | ".join(cells) + " |")
    for name in FLOORS:
        measured = [line for line in lines if line["name"] == "floor" and line["floor"] == name]
        if measured:
            unit = "authors" if name == "redis" else "events"
            speed, cpu, memory = (
                statistics.median(line[figure] for line in measured)
                for figure in ("per_second", "cpu_s_per_million", "peak_rss_mb")
            )
            text.append(f"| Floor: {name} | {speed:,.0f} {unit}/s | | {cpu:.1f} | {memory:,.0f} | | | |")
    failures = [f"{SYSTEMS[row.name].title}: {why.splitlines()[0]}" for row in found for why in row.failures]
    return "\n".join([*text, *(["", *failures] if failures else [])]) + "\n"


def _speed(speed: tuple[float, float, float] | None) -> str:
    return f"{speed[1]:,.0f} ({speed[0]:,.0f} to {speed[2]:,.0f})" if speed else "not measured"


def _number(value: float | None, form: str) -> str:
    return form.format(value) if value is not None else "not measured"


def _late(figures: Figures | None) -> str:
    return f"{figures['p50_ms']:,.0f} / {figures['p99_ms']:,.0f} ms" if figures else "not measured"
