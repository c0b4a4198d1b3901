"""The page: `page.md` beside this file with every number put in from a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from string import Template

from benchmarks.run import Figures
from benchmarks.sizing.constants import MissingLine, constants
from benchmarks.sizing.formulas import BUSY_RATIO, CHANGES_KEPT, DIRTY_RATIO, GRACE_S, RETENTION_S, Load, Need, needed
from benchmarks.sizing.series import tables
from benchmarks.sizing.tables import number, size, table
from streams.events.duplicates import BLOCK, BLOCKS
from streams.settings import Settings

TEMPLATE = Path(__file__).parent / "page.md"
EXAMPLE = {shape: Load(accounts=500e6, events_per_s=1e6, shape=shape) for shape in ("even", "higgs")}
SMALL = Load(accounts=1e6, events_per_s=2_000, shape="even", replication=3)


def page(lines: Sequence[Figures]) -> str:
    """Return `docs/sizing.md` made of a run's lines.

    Raises:
        MissingLine: something on it was not measured.
    """
    if quick := [each["point"] for each in lines if each["is_quick"]]:
        raise MissingLine(f"{quick[-1]!r} was measured with --quick, which shows that it runs and not how fast; run it without")
    found = constants(lines)
    values = {name: constant.value for name, constant in found.items()}
    machine = next((each for each in lines if each["name"] == "machine"), None)
    if machine is None:
        raise MissingLine("no line says on which machine this was measured; expected all lines of a run")
    largest, filling = (_largest(lines, name) for name in ("accounts", "rows_made"))
    ids = min(largest["accounts"] + largest["events"], Settings.partitions * BLOCK * BLOCKS)
    predicted = values["base_mb"] * 1e6 + largest["accounts"] * (values["author_bytes"] + values["actor_bytes"])
    predicted += ids * values["id_bytes"]
    needs = {shape: needed(values, load) for shape, load in EXAMPLE.items()}
    return Template(TEMPLATE.read_text()).substitute(
        {name: number(value) for name, value in values.items()},
        **tables(lines),
        machine=f"{machine['cpus']} CPUs, {machine['memory_gb']:.0f} GB, Python {machine['python']}",
        date=machine["date"],
        constants_table=table(
            ["Constant", "Value", "What it is", "Made by"],
            [[f"`{name}`", f"{number(c.value)} {c.unit}", c.what, f"`{c.command}`"] for name, c in found.items()],
        ),
        predicted_memory=size(predicted),
        seen_memory=size(largest["worker_peak_rss_mb"] * 1e6),
        filling_memory=size(filling["worker_peak_rss_mb"] * 1e6),
        largest_accounts=number(largest["accounts"]),
        busy_percent=f"{BUSY_RATIO:.0%}",
        retention_days=number(RETENTION_S / 86_400),
        dirty_percent=f"{DIRTY_RATIO:.0%}",
        grace_hours=number(GRACE_S / 3_600),
        changes_kept=number(CHANGES_KEPT),
        ids_per_partition=f"{BLOCK * BLOCKS:,}",
        small_table=_needs([("Needed", needed(values, SMALL))]),
        small_accounts=number(SMALL.accounts),
        small_rate=number(SMALL.events_per_s),
        example_accounts=number(EXAMPLE["even"].accounts),
        example_rate=number(EXAMPLE["even"].events_per_s),
        example_table=_needs([("Events evenly spread", needs["even"]), ("Events as in Higgs", needs["higgs"])]),
        example_redis=str(needs["even"].redis_servers),
        example_redis_memory=size(needs["even"].redis_memory_bytes),
        redis_limit_even=number(1e6 / values["even_redis_us"]),
        redis_limit_higgs=number(1e6 / values["higgs_redis_us"]),
    )


def _largest(lines: Sequence[Figures], name: str) -> Figures:
    return max((each for each in lines if each["name"] == name), key=lambda each: float(each["accounts"]))


def _needs(columns: Sequence[tuple[str, Need]]) -> str:
    rows: list[tuple[str, Callable[[Need], str]]] = [
        ("Cores of workers, wholly busy", lambda n: number(n.worker_cores)),
        ("Worker processes", lambda n: number(n.workers)),
        ("Partitions", lambda n: number(n.partitions)),
        ("Cores of brokers, wholly busy, one replica", lambda n: number(n.broker_cores)),
        ("Cores of Redis, wholly busy", lambda n: number(n.redis_cores)),
        ("Memory of a worker", lambda n: size(n.worker_memory_bytes / n.workers)),
        ("Memory of all workers", lambda n: size(n.worker_memory_bytes)),
        ("Memory of Redis", lambda n: size(n.redis_memory_bytes)),
        ("Kafka on disk, all replicas", lambda n: size(n.kafka_bytes)),
        ("Kafka written, before replication", lambda n: f"{size(n.kafka_written_bytes_per_s)}/s"),
        ("Recovery of one worker's rows", lambda n: f"{number(n.recovery_s)} s"),
    ]
    return table(["", *(title for title, _ in columns)], [[name, *(show(n) for _, n in columns)] for name, show in rows])
