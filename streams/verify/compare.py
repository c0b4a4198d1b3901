"""One partition's table against its log, and all of the log against the input topics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from streams.settings import Settings
from streams.verify.decayed import COUNTS, Counted, chosen_of, count, decay
from streams.verify.digests import Digests
from streams.verify.forgotten import Forgotten
from streams.verify.inputs import Inputs, home_of
from streams.verify.log import Ints, Log
from streams.verify.report import Report
from streams.verify.table import Table

DECAYED = ("engaged", "made", "fast", "day", "reach", "network")
# Below the smallest normal double a counter has lost digits, and is nothing.
_NOTHING = 1e-300


@dataclass
class Totals:
    """Integers of every entity of the log, expired or not, of all partitions; and digests of what it says of events."""

    counts: dict[str, list[int]]
    digests: Digests
    is_whole: bool = True


def compare_table(
    partition: int, log: Log, table: Table, settings: Settings, totals: Totals, report: Report, forgotten: Forgotten,
    settled_ms: float,
) -> None:  # fmt: skip
    """Compare a partition's rows with its log, and add the log's integers to `totals`.

    Args:
        partition: its number.
        log: its engagements.
        table: its rows.
        settings: half-lives, and after which time rows expire.
        totals: filled.
        report: filled.
        forgotten: whose rows may be gone.
        settled_ms: who was forgotten before this time has none, epoch ms.
    """
    totals.digests.merge(log.digests)
    names = {name: i for i, name in enumerate(log.names)}
    whole = count(log, chosen_of(log, np.zeros(len(names), dtype=np.int64)))
    for name, i in names.items():
        if whole.last_offset[i] >= 0:
            entity = name.decode()
            if entity in totals.counts:
                report.add("engagements", entity, "partition", "one", f"a second one, {partition}")
            totals.counts[entity] = whole.counts[i].tolist()
            report.expect("placements", "engagements", entity, "partition", home_of(entity, settings.partitions), partition)
    place = np.array([names.get(name, -1) for name in table.names], dtype=np.int64)
    # Of an entity without a row nothing is counted: there is no time to decay it to.
    born = np.full(len(names), np.iinfo(np.int64).max)
    known = place >= 0
    born[place[known]] = table.rows["born"][known]
    at = np.zeros(len(names))
    at[place[known]] = table.rows["at"][known]
    chosen = chosen_of(log, born)
    since, values = count(log, chosen), decay(log, chosen, at, settings)
    for name, row, i in zip(table.names, table.rows, place.tolist(), strict=True):
        entity = name.decode()
        if forgotten.has(entity, settled_ms):
            report.add("table", entity, "row", None, "a row of somebody forgotten")
        if i < 0 or since.last_offset[i] < 0:
            if log.first_offset == 0:
                report.add("table", entity, "row", None, "a row that no engagement made")
            continue
        if row["born"] < log.first_offset:
            _compare_bounds(entity, row, since.counts[i], bool(log.undo[log.target == i].any()), report)
            continue
        _compare_integers(entity, row, since, i, report)
        for field in DECAYED:
            report.compared["decayed"] += 1
            expected = values.values[field][i]
            if not abs(row[field] - expected) <= values.tolerance[field][i] + _NOTHING:  # so that NaN differs
                report.add("table", entity, field, float(expected), float(row[field]))
    _compare_gone(log, table, names, born, settings, report, forgotten)


def _compare_integers(entity: str, row: Any, since: Counted, i: int, report: Report) -> None:
    for field, expected in zip(COUNTS, since.counts[i].tolist(), strict=True):
        report.expect("table integers", "table", entity, field, expected, int(row[field]))
    report.expect("table integers", "table", entity, "off", int(since.last_offset[i]), int(row["off"]))
    report.expect("decayed", "table", entity, "at", float(since.newest_s[i]), float(row["at"]))


def _compare_bounds(entity: str, row: Any, counts: Ints, is_undone: bool, report: Report) -> None:
    if is_undone:
        return  # what was taken back may have been counted before the oldest record
    for field, expected in zip(COUNTS, counts.tolist(), strict=True):
        report.compared["lower bounds"] += 1
        if row[field] < expected:
            report.add("table", entity, field, f"at least {expected}", int(row[field]))


def _compare_gone(
    log: Log, table: Table, names: dict[bytes, int], born: Ints, settings: Settings, report: Report, forgotten: Forgotten
) -> None:
    """Check that entities without a row, and rows that leave out a part of their log, had expired: were idle long enough.

    Or that they are of somebody forgotten.
    """
    has_row = np.zeros(len(names), dtype=bool)
    has_row[[names[name] for name in table.names if name in names]] = True
    born = np.where(has_row, born, np.iinfo(np.int64).max)
    watermark = np.maximum.accumulate(log.at) if len(log) else log.at
    early = np.flatnonzero(log.offset < born[log.target])
    newest = np.full(len(names), -np.inf)
    np.maximum.at(newest, log.target[early], log.at[early])
    for i in np.unique(log.target[early]).tolist():
        entity = log.names[i].decode()
        # What the partition's newest time was when the row was made again; at the end of the log where it wasn't.
        reached = int(np.searchsorted(log.offset, born[i], side="right"))
        report.compared["expirations"] += 1
        if watermark[reached - 1] - newest[i] < settings.expire_after_s and not forgotten.has(entity):
            if not has_row[i]:
                report.add("table", entity, "row", "a row", "a tombstone" if log.names[i] in table.expired else None)
            else:
                report.add("table", entity, "born", int(log.offset[log.target == i][0]), int(born[i]))


def compare_inputs(inputs: Inputs, totals: Totals, report: Report) -> None:
    """Compare the integers of the input topics with those of the engagements made from them."""
    if not inputs.is_whole and not totals.is_whole:
        return  # neither bounds the other
    if inputs.is_whole and totals.is_whole:
        for events, is_same in inputs.digests.compare(totals.digests):
            report.compared["stretches of events"] += 1
            if not is_same:
                report.add("engagements", events, "actor, kind, time", "as sent", "otherwise")
    nothing = [0, 0, 0, 0]
    for entity in inputs.counts.keys() | totals.counts.keys():
        sent, logged = inputs.counts.get(entity), totals.counts.get(entity)
        is_exact = inputs.is_whole and totals.is_whole
        if is_exact and (sent is None or logged is None):
            report.add("engagements", entity, "events", sent, logged)
            report.lost += sum(sent or nothing)
            report.doubled += sum(logged or nothing)
            continue
        if not is_exact and entity in inputs.undone:
            continue
        for field, a, b in zip(COUNTS, sent or nothing, logged or nothing, strict=True):
            if is_exact:
                report.expect("integers", "engagements", entity, field, a, b)
                continue
            report.compared["lower bounds"] += 1
            if inputs.is_whole and b > a:
                report.add("engagements", entity, field, f"at most {a}", b)
            elif totals.is_whole and b < a:
                report.add("engagements", entity, field, f"at least {a}", b)
