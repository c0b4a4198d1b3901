"""`python -m benchmarks.timed_worker`: the worker, which says when it was where.

A JSON line when it has joined its group (Faust tells it its partitions), and one when its tables are recovered. Times are
epoch seconds.
"""

from __future__ import annotations

import json
import os
import time
from typing import Any

import agents.worker
from agents.app import CloutstreamApp
from streams.settings import Settings


def _say(what: str, **more: Any) -> None:
    print(json.dumps({"what": what, "at_s": time.time(), "cpu_s": time.process_time(), **more}), flush=True)


def _timed(app: CloutstreamApp) -> CloutstreamApp:
    assigned = app._on_partitions_assigned

    async def on_assigned(*args: Any, **kwargs: Any) -> None:
        _say("joined")
        await assigned(*args, **kwargs)

    async def on_recovered(*_: Any, **__: Any) -> None:
        _say("recovered", rows=len(app.entity_rows), actors=len(app.actor_rows))

    app._on_partitions_assigned = on_assigned  # type: ignore[method-assign]  # Faust's signal comes after its own work
    app.on_rebalance_complete.connect(on_recovered)
    return app


if __name__ == "__main__":
    build = agents.build
    agents.worker.build = lambda settings: _timed(build(settings))  # type: ignore[attr-defined]  # its import
    agents.worker.run(Settings.from_environ(os.environ))
