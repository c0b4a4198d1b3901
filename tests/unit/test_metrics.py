"""What a worker counts and what a scrape shows, without servers."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from faust.types import TP
from prometheus_client.core import Metric

from agents import build
from agents.app import CloutstreamApp
from agents.counters import AGE_BOUNDS_S, Ages, Counters
from streams.events.decode import FAULTS, MAX_DEPTH, MAX_RECORD_BYTES, decode_events
from streams.intake.take import take
from streams.kafka.range import Range
from streams.kafka.register import register_transport
from streams.settings import Settings
from streams.tables.actor_rows import OUTCOMES, ActorRows
from streams.tables.entity_rows import EntityRows
from tests import readme

SETTINGS = Settings(partitions=2)
AT_S = 1_769_860_800


def event(**changes: Any) -> bytes:
    return json.dumps({"id": "e1", "kind": "like", "actor": "ann", "author": "ben", "at": AT_S} | changes).encode()


class Consumer(SimpleNamespace):
    """What fetches have told."""

    def known_end(self, tp: TP) -> int:
        return cast(int, self.ends.get(tp, 0))

    def committed(self, tp: TP) -> int:
        return 0


@pytest.fixture
def app() -> CloutstreamApp:
    """A worker's app that owns both partitions and is connected to nothing."""
    register_transport()
    app = build(SETTINGS)
    ends = {TP("events", 0): 12, TP("events", 1): 7, TP(SETTINGS.engagements_topic, 0): 3}
    app._consumer = cast(Any, Consumer(ends=ends))
    app.assigned = app.recovered = True
    app.owned = {0, 1}
    return app


def samples(app: CloutstreamApp, name: str) -> dict[tuple[str, ...], float]:
    """Return the values of a metric by its labels' values."""
    return {tuple(s.labels.values()): s.value for family in app.metrics() for s in family.samples if s.name == name}


@pytest.mark.parametrize(
    ("record", "fault"),
    [
        (None, "empty"),
        (b"  ", "empty"),
        (b'{"id":"' + b"x" * MAX_RECORD_BYTES + b'"}', "size"),
        (b"[" * (MAX_DEPTH + 1), "nesting"),
        (b"\xff\xfe", "encoding"),
        (b"no json", "json"),
        (event(kind="hug"), "field"),
        (event(id=""), "field"),
        (b"{}", "field"),
        (event(at=AT_S * 1000), "time"),
        (event(at="yesterday"), "time"),
        (event(at="2026-01-31T12:00:00"), "time"),
        (event(actor_since=-1), "time"),
        (event(actor="a\nb"), "character"),
        (event(tags=["a\tb"]), "character"),
        (event(kind="tweet"), "author"),
    ],
)
def test_a_refusal_has_one_of_a_few_kinds_whatever_the_record_holds(record: bytes | None, fault: str) -> None:
    for records in ([record], [event(), record, event(id="e2")]):
        _, refused = decode_events(records)
        assert [r.fault for r in refused] == [fault]
    assert fault in FAULTS


def test_a_round_is_counted_as_its_partitions_count_it() -> None:
    values = [event(), event(), event(id="e2", author="ann"), b"no json", event(id="e3", at=AT_S + 9), None]
    n = len(values)
    content = Range("events", 0, list(range(n)), [AT_S * 1000] * n, [None] * n, values)
    actors, counters = ActorRows(), Counters()
    taken = take([content], actors, EntityRows(SETTINGS), SETTINGS)
    counters.take(taken)
    counters.take(
        take([Range("events", 0, [n], [AT_S * 1000], [None], [event(id="e4")])], actors, EntityRows(SETTINGS), SETTINGS)
    )
    assert {name: counters.events[name] for name in OUTCOMES} == actors.inputs(0).source("events").outcomes
    assert counters.events["applied"] == 3
    assert counters.events["clamped"] == counters.events["duplicate"] == counters.events["self"] == 1
    assert counters.dead_letters == {"json": 1, "empty": 1}


def test_ages_are_counted_up_to_each_bound_and_beyond_the_last() -> None:
    ages = Ages()
    ages.add(np.array([0.0, 0.025, 0.026, 1e9]))
    ages.add(np.array([-3.0]))
    assert ages.buckets.tolist() == [3, 1, *[0] * (len(AGE_BOUNDS_S) - 2), 1]
    assert ages.sum_s == pytest.approx(1e9 + 0.051 - 3)


def test_the_histogram_is_cumulative(app: CloutstreamApp) -> None:
    app.counters.ages.add(np.array([0.01, 0.04, 0.04, 7.0, 1e9]))
    upto = samples(app, "cloutstream_event_age_seconds_bucket")
    shown = {bound: upto[(bound,)] for bound in ("0.025", "0.05", "5.0", "10.0", "86400.0", "+Inf")}
    assert shown == {"0.025": 1, "0.05": 3, "5.0": 3, "10.0": 4, "86400.0": 4, "+Inf": 5}
    assert samples(app, "cloutstream_event_age_seconds_count") == {(): 5}


def test_lag_is_what_is_known_to_be_there_and_not_yet_durable(app: CloutstreamApp) -> None:
    app.actor_rows.inputs(0).source("events").position = 10  # taken
    app.durable.advance(TP("events", 0), 4)  # but durable only so far
    app.actor_rows.inputs(1).source("events").position = 9  # beyond what the last fetch told
    lags = samples(app, "cloutstream_lag_messages")
    assert len(lags) == 2 * 3
    assert {tp: messages for tp, messages in lags.items() if messages or "events" in tp} == {
        ("events", "0"): 8,
        ("events", "1"): 0,
        (SETTINGS.engagements_topic, "0"): 3,
    }


def test_partitions_that_moved_away_are_no_longer_shown(app: CloutstreamApp) -> None:
    app.durable.advance(TP("events", 1), 4)
    assert ("events", "1") in samples(app, "cloutstream_lag_messages")
    assert samples(app, "cloutstream_assigned_partitions") == {(): 2}
    app.owned = {0}
    assert {partition for _, partition in samples(app, "cloutstream_lag_messages")} == {"0"}
    assert samples(app, "cloutstream_assigned_partitions") == {(): 1}


def test_dirty_rows_and_what_waits_for_redis_are_shown(app: CloutstreamApp) -> None:
    app.actor_rows.dirty[[3, 5]] = True
    app.entity_rows.dirty[1] = True
    assert samples(app, "cloutstream_dirty_rows") == {("actors",): 2, ("entities",): 1}


def test_a_commit_is_counted_with_its_time(app: CloutstreamApp) -> None:
    began = samples(app, "cloutstream_last_commit_timestamp_seconds")[()]
    app.on_committed()
    assert samples(app, "cloutstream_commits_total") == {(): 1}
    assert samples(app, "cloutstream_last_commit_timestamp_seconds")[()] >= began
    app.counters.commit(12.5)
    assert samples(app, "cloutstream_last_commit_timestamp_seconds") == {(): 12.5}


def test_every_kind_of_refusal_and_outcome_is_shown_from_the_start(app: CloutstreamApp) -> None:
    # A counter that appears with its first increment hides that increment from `rate`.
    assert samples(app, "cloutstream_dead_letters_total") == {(fault,): 0 for fault in FAULTS}
    assert samples(app, "cloutstream_events_total") == {(outcome,): 0 for outcome in OUTCOMES}


def test_the_readme_has_every_metric_with_its_labels(app: CloutstreamApp) -> None:
    shown = {readme.code(row[0]): set(re.findall(r"`(\w+)`", row[1])) for row in readme.table("Metric")}
    names = {f"{family.name}_total" if family.type == "counter" else family.name: family for family in app.metrics()}
    assert shown == {name: {label for s in family.samples for label in s.labels} - {"le"} for name, family in names.items()}
    kinds = next(row[2] for row in readme.table("Metric") if "dead_letters" in row[0])
    assert tuple(re.findall(r"`(\w+)`", kinds)) == FAULTS


def test_no_label_can_hold_an_id(app: CloutstreamApp) -> None:
    families: list[Metric] = app.metrics()
    labels = {name for family in families for s in family.samples for name in s.labels}
    assert labels == {"outcome", "reason", "le", "topic", "partition", "table", "version"}
    assert all(family.documentation.endswith(".") for family in families)
    assert len({family.name for family in families}) == len(families)
