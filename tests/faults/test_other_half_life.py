"""A worker with another half-life than its rows were written by ends before it touches anything; set back, it goes on."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from harness import Deployment, deployment
from load import like, send
from processes import Worker

from streams.kafka.topics import topic_specs
from streams.settings import Settings

ENDS_S = 30.0


def _engaged(running: Deployment, first: int) -> None:
    send(running.settings, [like(n, f"fan{n}", "ann", time.time() - 3600) for n in range(first, first + 20)])
    running.settle()


def _held(running: Deployment) -> dict[Any, Any]:
    """Return what is in Redis, where each topic ends, and what is committed."""
    keys: list[bytes] = sorted(running.client.scan_iter(f"{running.settings.redis_prefix}*", count=1000))
    dumps: dict[Any, Any] = {key: running.client.dump(key) for key in keys}
    return dumps | running.ends([spec.name for spec in topic_specs(running.settings)]) | {"committed": running.committed()}


def _refused(settings: Settings) -> str:
    """Start a worker that must end by itself with 78; return what it says."""
    worker = Worker(settings)
    try:
        assert worker.wait(ENDS_S) == 78
        return worker.log()
    finally:
        worker.close()


def test_a_worker_with_another_half_life_touches_nothing_and_says_what_to_do(settings: Settings) -> None:
    settings = replace(settings, topics_enabled=False)
    other = replace(settings, half_life_slow_s=86400.0)
    with deployment(settings, workers=1) as running:
        _engaged(running, 0)
        running.stop(running.workers[0])
        before = _held(running)

        said = _refused(other)
        assert (
            "CLOUTSTREAM_HALF_LIFE_SLOW_S is 86400.0; expected 2592000.0, by which the rows in the table were written: set it "
            "back, or count again with a new CLOUTSTREAM_APP_ID and a new CLOUTSTREAM_REDIS_PREFIX" in said
        )
        assert _held(running) == before

        running.start()
        _engaged(running, 20)
        assert running.assert_equal().events == 40
        # One that joins it is refused as well, and leaves it everything.
        assert "CLOUTSTREAM_HALF_LIFE_SLOW_S" in _refused(other)
        _engaged(running, 40)
        assert running.assert_equal().events == 60
