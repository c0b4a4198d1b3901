"""One worker process."""

from __future__ import annotations

import gc
import logging

import faust

from agents import build
from streams.kafka.register import register_transport
from streams.settings import Settings


def run(settings: Settings) -> int:
    """Run a worker until SIGTERM or Ctrl-C; return its exit code."""
    import mode.loop

    mode.loop.use("uvloop")
    register_transport()
    # State is arrays, not objects: the collector's full passes find nothing and cost 6 % of a drain.
    gc.freeze()
    gc.set_threshold(200_000, 20, 100)
    # A worker says what it does ("cloutstream": ready, Redis away, filling Redis); of services and libraries only what is wrong.
    for name in ("faust", "mode", "agents", "streams"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("aiokafka").setLevel(logging.ERROR)
    worker = faust.Worker(build(settings), loglevel="INFO", redirect_stdouts=False, quiet=True)
    worker.spinner = None  # it writes cursor codes into logs
    try:
        worker.execute_from_commandline()
    except SystemExit as e:
        return int(e.code or 0)
