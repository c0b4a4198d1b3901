"""The constants of the page: which line of a run each is from, and the command that makes that line again."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.run import Figures
from streams.errors import CloutstreamError

BIG, HIGGS = "accounts-1000000", "partitions-8-workers-1"
PEOPLE = 3  # of the account whose memory is taken; four in five have no more (Higgs)
CROWD = 100  # more than are kept one by one: from there on it is the same


class MissingLine(CloutstreamError):
    """A run doesn't have a line that a constant is from."""


@dataclass(frozen=True)
class Constant:
    """One measured number."""

    value: float
    unit: str
    what: str
    point: str

    @property
    def command(self) -> str:
        """What measures it again."""
        return command(self.point)


def command(point: str) -> str:
    """Return the command that measures a point."""
    return f"python -m benchmarks.scaling --only {point}"


def line(lines: Sequence[Figures], name: str, point: str, **having: Any) -> Figures:
    """Return the last line of a point that has the name, and what else is asked for.

    Raises:
        MissingLine: there is none; says what to run.
    """
    asked = {"name": name, "point": point, **having}
    found = [each for each in lines if all(each.get(key) == value for key, value in asked.items())]
    if not found:
        raise MissingLine(f"no line with {asked} among {len(lines)}; run: {command(point)}")
    return found[-1]


def constants(lines: Sequence[Figures]) -> dict[str, Constant]:
    """Return all constants by name.

    Raises:
        MissingLine: a point was not measured.
    """
    found: dict[str, Constant] = {}

    def take(name: str, unit: str, what: str, at: Figures, value: Callable[[Figures], float]) -> None:
        found[name] = Constant(value(at), unit, what, at["point"])

    for shape, spread, at in (
        ("even", "evenly over a million accounts", line(lines, "accounts", BIG)),
        ("higgs", "as in the Higgs recording", line(lines, "partitions", HIGGS)),
    ):
        take(f"{shape}_speed", "events/s", f"one worker until published, events {spread}", at, lambda f: f["events_per_second"])
        for who in ("worker", "broker", "redis"):
            take(f"{shape}_{who}_us", "µs an event", f"CPU of {TITLES[who]}, the same", at, _of(f"{who}_cpu_us_per_event"))
        take(f"{shape}_p99_ms", "ms", "event to Redis at a steady load, p99, the same", at, lambda f: f["p99_ms"])
    few = line(lines, "accounts", "accounts-10000")
    take("base_mb", "MB", "a worker with ten thousand accounts, at most", few, _of("worker_peak_rss_mb"))
    author = line(lines, "memory", "memory", people=PEOPLE)
    take("author_bytes", "bytes", f"worker memory of an account with {PEOPLE} engaged people", author, _of("rss_bytes_per_row"))
    crowded = line(lines, "memory", "memory", people=CROWD)
    take("crowded_bytes", "bytes", f"worker memory of an account with {CROWD} or more", crowded, _of("rss_bytes_per_row"))
    actor = line(lines, "memory_actors", "memory")
    take("actor_bytes", "bytes", "worker memory of an account that acts, beside that", actor, _of("rss_bytes_per_row"))
    take("id_bytes", "bytes", "worker memory of a remembered event id", actor, _of("id_window_bytes_per_event"))
    held = line(lines, "redis", BIG)
    take("redis_bytes", "bytes", "Redis memory of an account", held, _of("bytes_per_account"))
    take("change_bytes", "bytes", "Redis memory of a change in the streams", held, lambda f: f["changes_mb"] * 1e6 / f["changes"])
    event = line(lines, "kafka_events", "kafka")
    take("input_bytes", "bytes", "Kafka: an event in the input", event, _of("input_bytes_per_event"))
    take("engagements_bytes", "bytes", "Kafka: what an event is in the engagements", event, _of("engagements_bytes_per_event"))
    for topic in ("entities", "actors", "scores"):
        rows = line(lines, "kafka_rows", "kafka", topic=topic)
        take(f"{topic}_written_bytes", "bytes", f"Kafka: a record of {topic}, when written", rows,
             lambda f: (f["bytes_before"] - f["other_bytes"]) / f["records_written"])  # fmt: skip
        take(f"{topic}_kept_bytes", "bytes", f"Kafka: a row of {topic}, after compaction", rows,
             lambda f: (f["bytes_after"] - f["other_bytes"]) / f["rows"])  # fmt: skip
    rows = line(lines, "kafka_rows", "kafka", topic="actors")
    take("kafka_id_bytes", "bytes", "Kafka: a remembered event id", rows, lambda f: f["other_bytes"] / event["events"])
    back = line(lines, "recovery", BIG)
    take("recovered_rows", "rows/s", "recovery of a worker, rows of both tables", back, lambda f: f["rows"] / f["seconds"])
    if odd := [name for name, each in found.items() if not (math.isfinite(each.value) and each.value > 0)]:
        raise MissingLine(f"{odd[0]} is {found[odd[0]].value}; expected a number above 0: run {found[odd[0]].command} again")
    return found


TITLES = {"worker": "the worker", "broker": "the broker", "redis": "Redis"}


def _of(figure: str) -> Callable[[Figures], float]:
    return lambda figures: float(figures[figure])
