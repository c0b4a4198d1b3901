"""A worker's metrics for Prometheus, read from its state at each scrape: what moved away is no longer there to be shown.

Labels are topics, partitions, tables, outcomes and kinds of refusal: few and known beforehand, never an id.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from importlib.metadata import version

import numpy as np
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from agents.app import CloutstreamApp
from agents.counters import AGE_BOUNDS_S, DELIVERY_OUTCOMES, Ages
from agents.health import conditions, recovery_remaining_records
from agents.lag import lag_messages
from agents.publisher import Publisher
from streams.events.decode import FAULTS
from streams.tables.actor_rows import OUTCOMES


def worker_metrics(app: CloutstreamApp, publisher: Publisher) -> list[Metric]:
    """Return all metrics of a worker as of now; to be called on its event loop."""
    return [*_work(app), *_state(app, publisher), *_health(app)]


def add_metrics(app: CloutstreamApp, publisher: Publisher) -> None:
    """Let an app tell its metrics."""
    app.metrics = lambda: worker_metrics(app, publisher)


def _work(app: CloutstreamApp) -> Iterator[Metric]:
    counters = app.counters
    yield _counter(
        "cloutstream_events", "Events taken by this process; an event may be clamped or misplaced beside what it is.",
        "outcome", {name: counters.events[name] for name in OUTCOMES},
    )  # fmt: skip
    yield _counter(
        "cloutstream_dead_letters", "Records refused by this process, by kind of fault.",
        "reason", {name: counters.dead_letters[name] for name in FAULTS},
    )  # fmt: skip
    yield _histogram(
        "cloutstream_event_age_seconds", "Age of an entity's newest event when its score was written to Redis.", counters.ages
    )
    yield CounterMetricFamily("cloutstream_commits", "Commits that succeeded.", value=counters.commits)
    yield GaugeMetricFamily(
        "cloutstream_last_commit_timestamp_seconds", "When a commit last succeeded, or the process began.",
        value=counters.committed_at_s,
    )  # fmt: skip
    yield CounterMetricFamily("cloutstream_alerts", "Alerts written to Redis.", value=counters.alerts)
    yield _counter(
        "cloutstream_alert_deliveries", "Calls of webhooks, and alerts given up.",
        "outcome", {name: counters.deliveries[name] for name in DELIVERY_OUTCOMES},
    )  # fmt: skip
    yield CounterMetricFamily("cloutstream_rebalances", "Rebalances this process took part in.", value=app.rebalancing_count)
    yield CounterMetricFamily(
        "cloutstream_changelog_repairs", "Times another worker wrote into a changelog of ours, and its rows were written over.",
        value=app.changelog_repairs(),
    )  # fmt: skip
    yield CounterMetricFamily(
        "cloutstream_redis_rebuilds", "Times this process began to fill Redis.", value=counters.redis_rebuilds
    )


def _state(app: CloutstreamApp, publisher: Publisher) -> Iterator[Metric]:
    lag = GaugeMetricFamily(
        "cloutstream_lag_messages", "Records known to be in an owned partition whose effects aren't durable.",
        labels=["topic", "partition"],
    )  # fmt: skip
    for tp, messages in lag_messages(app, publisher).items():
        lag.add_metric([tp.topic, str(tp.partition)], messages)
    yield lag
    yield GaugeMetricFamily("cloutstream_assigned_partitions", "Partition numbers this process owns.", value=len(app.owned))
    yield GaugeMetricFamily(
        "cloutstream_recovery_remaining_records", "Changelog offsets still to be read.", value=recovery_remaining_records(app)
    )
    rows = GaugeMetricFamily("cloutstream_dirty_rows", "Rows changed and not yet in the changelog.", labels=["table"])
    rows.add_metric(["actors"], int(app.actor_rows.dirty.sum()))
    rows.add_metric(["entities"], int(app.entity_rows.dirty.sum()))
    yield rows
    yield GaugeMetricFamily(
        "cloutstream_redis_pending_entities", "Entities to be written to Redis.", value=publisher.pending_entities()
    )


def _health(app: CloutstreamApp) -> Iterator[Metric]:
    now = conditions(app, time.time())
    yield GaugeMetricFamily("cloutstream_ready", "1 when the worker can work.", value=now.is_ready)
    yield GaugeMetricFamily("cloutstream_redis_up", "1 when Redis takes what is published.", value=app.counters.redis_is_up)
    build = GaugeMetricFamily("cloutstream_build_info", "1; the version that runs.", labels=["version"])
    build.add_metric([version("cloutstream")], 1)
    yield build


def _counter(name: str, says: str, label: str, values: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(name, says, labels=[label])
    for value, count in values.items():
        family.add_metric([value], count)
    return family


def _histogram(name: str, says: str, ages: Ages) -> Metric:
    bounds = [*map(str, AGE_BOUNDS_S), "+Inf"]
    upto = np.cumsum(ages.buckets).tolist()
    return HistogramMetricFamily(name, says, buckets=list(zip(bounds, upto, strict=True)), sum_value=ages.sum_s)
