"""The HTTP endpoint of a running source: whether it is alive, and its metrics.

Labels are the source's name, kinds and reasons: a network that makes up kinds gets a bounded number of them.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from streams.listening import Scraped, asking_for_token, listen, url_of
from streams.settings import PREFIX, Settings
from streams.sources.counts import Counts
from streams.sources.source import Source


def source_metrics(source: Source, counts: Counts, now_s: float) -> list[Metric]:
    """Return the metrics of a source at `now_s`, epoch s."""
    name = source.name
    return [
        _counter("messages", "Messages read, by what they are.", "kind", name, counts.messages),
        _counter("events", "Events that came of them; those taken back are undo.", "kind", name, counts.events),
        _counter("dropped", "Messages that could have been events and are not, by reason.", "reason", name, counts.dropped),
        *_totals(source, counts, now_s),
    ]


def _totals(source: Source, counts: Counts, now_s: float) -> Iterator[Metric]:
    values = {
        "kept": ("Messages put into the topic of kept ones.", counts.kept),
        "not_kept": ("Messages that were to be kept when there were too many of them.", counts.not_kept),
        "forget": ("Messages that ask to forget an account.", counts.forget),
        "checkpoints": ("Times that everything read was in Kafka and the position was stored.", counts.checkpoints),
        **{what: ("Counted by the source itself.", count) for what, count in source.counters().items()},
    }
    for what, (says, value) in values.items():
        family = CounterMetricFamily(f"cloutstream_ingest_{what}", says, labels=["source"])
        family.add_metric([source.name], value)
        yield family
    behind_s = counts.behind_s(now_s)
    if source.is_live and behind_s is not None:
        gauge = GaugeMetricFamily("cloutstream_ingest_behind_seconds", "Age of the newest event.", labels=["source"])
        gauge.add_metric([source.name], behind_s)
        yield gauge


def _counter(what: str, says: str, label: str, source: str, values: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(f"cloutstream_ingest_{what}", says, labels=["source", label])
    for value, count in values.items():
        family.add_metric([source, value.encode(errors="replace").decode()], count)
    return family


@asynccontextmanager
async def operations(settings: Settings, source: Source, counts: Counts) -> AsyncIterator[str]:
    """Answer /healthz and /metrics while the block runs; gives the base URL, empty when the settings say nowhere.

    Raises:
        ConfigurationError: nothing can listen there.
    """
    if not settings.operations:
        yield ""
        return
    listening = listen(f"{PREFIX}OPERATIONS", settings.operations)
    scraped = Scraped()
    guarded = asking_for_token(settings.operations_token.reveal())

    async def metrics(request: web.Request) -> web.StreamResponse:
        return scraped.response(request, source_metrics(source, counts, time.time()))

    async def healthz(_request: web.Request) -> web.StreamResponse:
        return web.Response(text="alive\n")

    app = web.Application()
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/metrics", guarded(metrics))
    runner = web.AppRunner(app, access_log=None, handle_signals=False)
    await runner.setup()
    try:
        await web.SockSite(runner, listening).start()
        yield url_of(listening)
    finally:
        await runner.cleanup()
