"""What must hold at the end: the log recounted by other arithmetic than the workers', the tables recovered from it, and Redis."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
from faust.types import TP

from streams.events.engagements import KIND_MASK, TWEET, UNDO_BIT, decode
from streams.settings import Settings
from streams.tables import actor_codec
from streams.tables.actor_rows import OUTCOMES, ActorRows
from streams.tables.entity_codec import encode_rows
from streams.tables.entity_rows import EntityRows
from streams.tables.states import ActorState, EntityState
from streams.verify.compare import Totals, compare_inputs, compare_table
from streams.verify.digests import Digests
from streams.verify.inputs import Inputs
from streams.verify.log import log_of
from streams.verify.redis_state import compare_redis
from streams.verify.report import Report
from streams.verify.table import tables_of

from .client import Reading
from .log import Log
from .rates import times_of, wrong_rates
from .store import Store
from .world import Violation


def check(settings: Settings, log: Log, store: Store, inputs: Inputs, live: list[Any]) -> None:
    """Compare everything with everything; `live` are the workers that are left.

    Raises:
        Violation: anything differs.
    """
    report = Report()
    tables = tables_of(log.topic(settings.entities_changelog), settings.partitions)
    totals = Totals({}, Digests())
    for p in range(settings.partitions):
        partition = log[TP(settings.engagements_topic, p)]
        engagements = log_of(((r.offset, r.value or b"") for r in partition.records), 0, partition.end)
        compare_table(p, engagements, tables[p], settings, totals, report, inputs.forgotten, float("inf"))
    compare_inputs(inputs, totals, report)
    reading: Any = Reading(store)
    compare_redis(settings, reading, tables.values(), report, lambda _: None)
    _people(settings, log, store)
    _rates(settings, log, inputs, live)
    _minutes(settings, store)
    _dead_letters(settings, log, inputs, report)
    _outcomes(settings, live, inputs, report)
    _raise(report, "the log recounted")
    for what in ("the changelogs", "the changelogs after compaction"):
        for p in range(settings.partitions):
            owner = next((worker for worker in live if p in worker.owned), None)
            if owner is None:
                raise Violation(f"nobody owns partition {p}")
            _recovered(settings, log, owner, p, what)
        for topic in (settings.actors_changelog, settings.entities_changelog):
            for p in range(settings.partitions):
                log[TP(topic, p)].compact(1 << 60)


def _raise(report: Report, what: str) -> None:
    if not report.ok:
        raise Violation(f"{what}: " + "; ".join(map(str, report.mismatches[:5])))


def _people(settings: Settings, log: Log, store: Store) -> None:
    """Compare how many people engaged with each campaign: of few, an estimate is right to the one."""
    people: dict[str, set[bytes]] = {}
    for record in log.topic(settings.engagements_topic):
        batch = decode(record.value or b"")
        names = batch.names.tolist()
        for target, actor, flags in zip(batch.target.tolist(), batch.actor.tolist(), batch.flags.tolist(), strict=True):
            if names[target].startswith(b"campaign:") and flags & KIND_MASK != TWEET and not flags & UNDO_BIT:
                people.setdefault(names[target].decode(), set()).add(names[actor])
    expected = {name: len(who) for name, who in people.items()}
    found = store.data.get(settings.redis_prefix + "people", {})
    if expected != found:
        raise Violation(f"people in Redis are {found}, expected {expected}")


def _rates(settings: Settings, log: Log, inputs: Inputs, live: list[Any]) -> None:
    """Compare how busy actors are with a recount of their events.

    Of one input topic. Of several, two workers may each have taken what the other hasn't, and no row holds both: where one that
    had lost a partition gets it back, single events may be missing in how busy an actor is.
    """
    if len(settings.topic_names) > 1:
        return
    (topic,) = settings.topic_names
    times = times_of(log.topic(topic), inputs.forgotten)
    for worker in live:
        for p in worker.owned:
            for wrong in wrong_rates(worker.actor_rows, p, times):
                raise Violation(f"{worker}: {wrong}")


def _minutes(settings: Settings, store: Store) -> None:
    """Check that each campaign's newest minute has its counts as they stand, and that minutes descend."""
    prefix = settings.redis_prefix + "score:campaign:"
    for key, fields in store.data.items():
        if not key.startswith(prefix):
            continue
        points = [orjson.loads(point) for point in store.data.get(key.replace("score:", "minutes:", 1), [])]
        expected = [int(float(fields["at"]) // 60), *(int(fields[name]) for name in ("posts", "likes", "shares", "replies"))]
        if points[:1] != [expected] or sorted({point[0] for point in points}, reverse=True) != [point[0] for point in points]:
            raise Violation(f"minutes of {key} are {points}, expected {expected} first, and that they descend")


def _dead_letters(settings: Settings, log: Log, inputs: Inputs, report: Report) -> None:
    found = {record.key: record.value for record in log.topic(settings.dead_letters_topic)}
    expected = {f"{topic}[{p}]@{offset}".encode(): value for (topic, p, offset), value in inputs.refused.items()}
    report.expect("dead letters", "dead-letters", "all", "by coordinates", expected, found)


def _outcomes(settings: Settings, live: list[Any], inputs: Inputs, report: Report) -> None:
    counts: dict[str, int] = {}
    for worker in live:
        for p in worker.owned:
            for name, n in worker.actor_rows.inputs(p).counts().items():
                counts[name] = counts.get(name, 0) + n
    for name in OUTCOMES:
        report.expect("outcomes", "table", "all", name, inputs.outcomes[name], counts.get(name, 0))


def _recovered(settings: Settings, log: Log, owner: Any, p: int, what: str) -> None:
    """Compare what recovery gives with what the owner of a partition holds."""
    entities, actors = EntityRows(settings), ActorRows(settings.topic_names)
    recovered = EntityState(entities, p)
    people = recovered.people
    for state, topic in (
        (recovered, settings.entities_changelog),
        (ActorState(actors, p), settings.actors_changelog),
    ):
        records = log[TP(topic, p)].records
        if records:
            state.load([r.key or b"" for r in records], [r.value for r in records])
    if people.counts() != (held := owner.entities.partition(p).people.counts()):
        raise Violation(f"recovery of partition {p} from {what} gives {people.counts()} people, {owner} holds {held}")
    differing = [
        *_differing(_entities(owner.entity_rows, p), _entities(entities, p)),
        *_differing(_actors(owner.actor_rows, p), _actors(actors, p)),
    ]
    if differing:
        raise Violation(f"recovery of partition {p} from {what} gives other rows than {owner} holds: {differing[:3]}")


def _differing(live: dict[Any, Any], found: dict[Any, Any]) -> list[str]:
    return [
        f"{k!r}: {live.get(k)!r}, recovered {found.get(k)!r}" for k in live.keys() | found.keys() if live.get(k) != found.get(k)
    ]


def _entities(table: EntityRows, p: int) -> dict[Any, Any]:
    rows = table.live_of(p)
    log = table.log(p)
    values = dict(zip(table.names.get(rows), encode_rows(table, rows), strict=True)) if len(rows) else {}
    return {"O": log.folded, **{f"H{source}": offset for source, offset in log.applied.items()}, **values}


def _actors(table: ActorRows, p: int) -> dict[Any, Any]:
    rows = table.live_of(p)
    values = dict(zip(table.names.get(rows), actor_codec.encode_rows(table, rows), strict=True)) if len(rows) else {}
    inputs = table.inputs(p)
    for topic, source in inputs.sources.items():
        window = source.duplicates
        held = np.flatnonzero(window._offset >= 0)
        values[f"ids {topic}"] = sorted(
            zip(window._offset[held].tolist(), window._lo[held].tolist(), window._hi[held].tolist(), strict=True)
        )
    return {"counts": {k: v for k, v in inputs.counts().items() if v}, "since": inputs.log_since, **values}
