"""What changes with what: the measured series of a run, each as a chart and as a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from benchmarks.plot import Axis, Points, line_chart
from benchmarks.run import Figures
from benchmarks.sizing.constants import MissingLine
from benchmarks.sizing.tables import number, table


@dataclass(frozen=True)
class Chart:
    """One chart; `series` has points by name."""

    name: str  # of its file, without folder and suffix
    title: str
    x: Axis
    y: Axis
    series: dict[str, Points]

    def svg(self) -> str:
        """Return it drawn."""
        return line_chart(self.title, self.x, self.y, self.series)


def charts(lines: Sequence[Figures]) -> list[Chart]:
    """Return the charts of a run.

    Raises:
        MissingLine: a chart would be empty.
    """
    by = _by_name(lines)
    accounts = Axis("accounts (logarithmic)", is_log=True)
    spread = by["partitions"]
    zipf = [f for f in by["skew"] if f["workers"] == 1 and not f["hot_ratio"]]
    counts = sorted({f["partitions"] for f in spread})
    found = [
        Chart("scaling-accounts", "Speed against accounts, one worker", accounts, Axis("events/s until published"), {
            "backlog over all of them": _points(by["accounts"], "accounts", "events_per_second"),
            "everybody's first event": _points(by["rows_made"], "accounts", "events_per_second"),
        }),
        Chart("scaling-lateness", "Event to Redis at a steady load against accounts", accounts, Axis("ms"), {
            "p50": _points(by["accounts"], "accounts", "p50_ms"), "p99": _points(by["accounts"], "accounts", "p99_ms"),
        }),
        Chart("scaling-partitions", "Speed against partitions, Higgs events",
              Axis("partitions", is_log=True, ticks={n: str(n) for n in counts}), Axis("events/s until published"), {
            f"{count} worker{'s' * (count > 1)}": _points(
                [f for f in spread if f["workers"] == count], "partitions", "events_per_second")
            for count in sorted({f["workers"] for f in spread})
        }),
        Chart("scaling-skew", "Speed against the skew of authors, one worker", Axis("exponent of Zipf's law"),
              Axis("events/s until published"), {
            "events/s": _points(zipf, "exponent", "events_per_second"),
        }),
        Chart("scaling-recovery", "Recovery against rows", Axis("rows of both tables (logarithmic)", is_log=True),
              Axis("seconds (logarithmic)", is_log=True), {"seconds": _points(by["recovery"], "rows", "seconds")}),
        Chart("scaling-memory", "Worker memory of an account against the people engaged with it",
              Axis("people (logarithmic)", is_log=True), Axis("bytes"), {
            "bytes": _points(by["memory"], "people", "rss_bytes_per_row"),
        }),
    ]  # fmt: skip
    if empty := [chart.title for chart in found if not any(chart.series.values())]:
        raise MissingLine(f"nothing was measured of {empty[0]!r}; `python -m benchmarks.scaling --list` has the points")
    return found


def tables(lines: Sequence[Figures]) -> dict[str, str]:
    """Return the same as Markdown tables, by name."""
    by = _by_name(lines)
    workers = [*by["partitions"], *by["skew"]]
    return {
        "accounts_table": table(
            [
                "Accounts", "First events/s", "Worker then at most, MB", "Later events/s", "Worker at most, MB",
                "Steady p50 / p99, ms", "Redis, µs an event", "Redis, MB",
            ],
            [
                [
                    number(f["accounts"]),
                    _at(by["rows_made"], f, "events_per_second"),
                    _at(by["rows_made"], f, "worker_peak_rss_mb"),
                    number(f["events_per_second"]),
                    number(f["worker_peak_rss_mb"]),
                    f"{number(f['p50_ms'])} / {number(f['p99_ms'])}",
                    number(f["redis_cpu_us_per_event"]),
                    _at(by["redis"], f, "used_mb"),
                ]
                for f in _sorted(by["accounts"], "accounts")
            ],
        ),
        "spread_table": table(
            ["Events", "Partitions", "Workers", "Events/s", "Worker CPU, µs an event", "Busy cores of each worker"],
            [
                [
                    _shape(f), str(f["partitions"]), str(f["workers"]), number(f["events_per_second"]),
                    number(f["worker_cpu_us_per_event"]), " + ".join(f"{ratio:g}" for ratio in f["worker_cpu_ratios"]),
                ]
                for f in workers
            ],
        ),
        "recovery_table": table(
            ["Rows", "Records read", "Seconds", "Rows/s"],
            [
                [number(f["rows"]), number(f["records"]), number(f["seconds"]), number(f["rows"] / f["seconds"])]
                for f in _sorted(by["recovery"], "rows")
            ],
        ),
        "memory_table": table(
            ["Engaged people", "Bytes"],
            [[number(f["people"]), number(f["rss_bytes_per_row"])] for f in _sorted(by["memory"], "people")],
        ),
    }  # fmt: skip


def _by_name(lines: Iterable[Figures]) -> dict[str, list[Figures]]:
    """Return the lines by name, of each point the last run."""
    last: dict[str, dict[str, list[Figures]]] = {}
    for line in lines:
        same = last.setdefault(line["name"], {}).setdefault(line.get("point", ""), [])
        if line["name"] != "memory":  # the only one with several lines of a point
            same.clear()
        same.append(line)
    names = ("accounts", "rows_made", "redis", "recovery", "partitions", "skew", "memory")
    return {name: [line for same in last.get(name, {}).values() for line in same] for name in names}


def _points(lines: Iterable[Figures], x: str, y: str) -> Points:
    return [(float(line[x]), float(line[y])) for line in lines]


def _sorted(lines: Iterable[Figures], by: str) -> list[Figures]:
    key: Callable[[Figures], float] = lambda line: line[by]  # noqa: E731  # named for its type
    return sorted(lines, key=key)


def _at(lines: Iterable[Figures], like: Figures, figure: str) -> str:
    """Return a figure of the line with as many accounts."""
    return next((number(line[figure]) for line in lines if line["accounts"] == like["accounts"]), "not measured")


def _shape(f: Figures) -> str:
    if f["name"] == "partitions":
        return "Higgs"
    return f"{f['hot_ratio']:.0%} for one author" if f["hot_ratio"] else f"Zipf {f['exponent']:g}"
