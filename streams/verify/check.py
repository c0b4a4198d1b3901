"""Putting it together: read the logs, recount, compare."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

from streams.events.letters import KEPT_BYTES, LENGTH_HEADER
from streams.kafka.topics import beginning_offsets, end_offsets, read_topic
from streams.reader import Reader
from streams.redis.client import session
from streams.settings import Settings
from streams.verify.campaigns import people_of
from streams.verify.compare import Totals, compare_inputs, compare_table
from streams.verify.digests import Digests
from streams.verify.forgotten import Forgotten
from streams.verify.inputs import Inputs, recount_inputs
from streams.verify.log import read_log
from streams.verify.redis_state import compare_people, compare_redis
from streams.verify.report import Report
from streams.verify.statements import compare_statements
from streams.verify.table import Table, read_tables

# (what is being done, how much of it is done, of how much)
Progress = Callable[[str, float, float], None]

FORGOTTEN_WITHIN_S = 60.0  # by then the workers that run have taken somebody out
OUTCOMES = ("applied", "self", "duplicate", "forgotten", "refused", "misplaced", "clamped")


def verify(settings: Settings, progress: Progress | None = None) -> Report:
    """Recount everything that is retained now, and compare tables, dead letters and Redis with it.

    Args:
        settings: of the deployment.
        progress: called with a title, how much is done, and of how much.

    Raises:
        ServiceUnavailable: Kafka or Redis can't be reached, or Kafka stopped sending.
        ConfigurationError: a topic is missing.
    """
    report = Report()
    show = progress or (lambda title, done, total: None)
    # Tables first and inputs last: what is in a table is then in the log read after it.
    show("reading the table", 0, 0)
    settled_ms = time.time() * 1000 - FORGOTTEN_WITHIN_S * 1000
    tables = read_tables(settings)
    report.entities = sum(len(table.names) for table in tables.values())
    report.expired = sum(len(table.expired) for table in tables.values())
    people: dict[str, int] = {}
    forgotten = Forgotten()
    for record in read_topic(
        settings, settings.control_topic
    ):  # after the tables: whose rows were missing there is forgotten here
        forgotten.tell(record.key, record.value, record.timestamp)
    totals = _check_log(settings, tables, people, report, show, forgotten, settled_ms)
    inputs = _recount_inputs(settings, report, show)
    compare_inputs(inputs, totals, report)
    _compare_dead_letters(settings, inputs, report)
    with session(settings) as client:
        compare_redis(settings, client, tables.values(), report, _adding(show, "comparing Redis", report.entities))
        compare_people(settings, client, people, report)
        compare_statements(settings, client, report)
        _compare_outcomes(Reader(settings, client), inputs, report)
    if report.unapplied:
        report.notes.append(
            f"{report.unapplied:,} records were not applied yet, so differences are expected; run again when the workers are done"
        )
    return report


def _adding(show: Progress, title: str, total: float) -> Callable[[int], None]:
    """Return a function that adds to what is done."""
    done = 0

    def add(more: int) -> None:
        nonlocal done
        done += more
        show(title, done, total)

    return add


def _check_log(
    settings: Settings, tables: dict[int, Table], people: dict[str, int], report: Report, show: Progress, forgotten: Forgotten,
    settled_ms: float,
) -> Totals:  # fmt: skip
    """Compare each partition's table with its log; return the log's integers, and add its campaigns' people to `people`."""
    totals = Totals({}, Digests())
    for partition, end in sorted(end_offsets(settings, settings.engagements_topic).items()):
        show("recounting engagements", partition, settings.partitions)
        log = read_log(settings, partition, end)
        report.engagements += len(log)
        report.unapplied += max(0, end - 1 - tables[partition].folded)
        if log.first_offset > 0:
            totals.is_whole = False
            report.notes.append(
                f"{settings.engagements_topic}[{partition}] starts at offset {log.first_offset}: of rows made before it only the "
                "integers are compared, as lower bounds"
            )
        people |= people_of(log) if log.first_offset == 0 else {}
        compare_table(partition, log, tables[partition], settings, totals, report, forgotten, settled_ms)
    return totals


def _recount_inputs(settings: Settings, report: Report, show: Progress) -> Inputs:
    total = sum(sum(end_offsets(settings, topic).values()) for topic in settings.topic_names)
    inputs = recount_inputs(settings, _adding(show, "recounting events", total))
    report.events = inputs.events
    if not inputs.is_whole:
        report.notes.append("the oldest events are no longer retained: integers are compared as lower bounds")
    return inputs


def _compare_dead_letters(settings: Settings, inputs: Inputs, report: Report) -> None:
    """Each refused record has a dead letter with its bytes; a coordinate counts once, however often it was written.

    Where a letter says how long the record was, it is its beginning.
    """
    found: dict[tuple[str, int, int], tuple[bytes, int]] = {}
    topic = settings.dead_letters_topic
    is_whole = not any(beginning_offsets(settings, topic).values())
    for record in read_topic(settings, topic):
        where, _, place = (record.key or b"").decode().rpartition("]@")
        source, _, number = where.rpartition("[")
        value = record.value or b""
        found[source, int(number), int(place)] = value, int(dict(record.headers or ()).get(LENGTH_HEADER, len(value)))
    if not is_whole:
        report.notes.append(f"{topic}: the oldest dead letters are no longer retained; missing ones are not counted")
    for coordinate in inputs.refused.keys() | found.keys():
        source, partition, offset = coordinate
        name = f"{source}[{partition}]@{offset}"
        report.compared["dead letters"] += 1
        if coordinate not in found:
            if is_whole:
                report.add("dead-letters", name, "record", "a dead letter", None)
        elif coordinate not in inputs.refused:
            if inputs.is_whole and offset < inputs.ends.get((source, partition), 0):
                report.add("dead-letters", name, "record", None, "a dead letter of a valid event")
        elif not _is_of(*found[coordinate], inputs.refused[coordinate]):
            report.add("dead-letters", name, "value", "the bytes received", "other bytes")


def _is_of(kept: bytes, length_bytes: int, refused: bytes) -> bool:
    """Return whether a letter's bytes are a refused record, or the beginning of one that is longer than letters are."""
    return len(refused) == length_bytes and refused.startswith(kept) and len(kept) in (length_bytes, KEPT_BYTES)


def _compare_outcomes(reader: Reader, inputs: Inputs, report: Report) -> None:
    """Compare the published counts of events by outcome, and see how much intake has still before it."""
    published: Counter[str] = Counter()
    positions: dict[tuple[str, int], int] = {}
    for partition, row in reader.partition_stats().items():
        for field, value in row.items():
            if field in OUTCOMES:
                published[field] += int(value)
            elif field.startswith("position:"):
                positions[field.removeprefix("position:"), partition] = int(value)
    report.unapplied += sum(max(0, end - positions.get(source, 0)) for source, end in inputs.ends.items())
    report.outcomes = {
        "recounted": {name: inputs.outcomes[name] for name in OUTCOMES},
        "published": {name: published[name] for name in OUTCOMES},
    }
    for outcome in OUTCOMES:
        recounted, found = inputs.outcomes[outcome], published[outcome]
        if inputs.is_whole:
            report.expect("outcomes", "redis", "stats", outcome, recounted, found)
        else:
            report.compared["lower bounds"] += 1
            if found < recounted:
                report.add("redis", "stats", outcome, f"at least {recounted}", found)
