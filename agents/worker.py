"""One worker process: Faust's worker, with a watchdog beside it and an HTTP endpoint that tells how it is."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import sys
import time
from typing import Any, NoReturn

import faust

from agents import build
from agents.app import CloutstreamApp
from agents.health import conditions, waiting_for
from agents.operations import Operations
from agents.watchdog import STOP_WITHIN_S, Watchdog
from streams.errors import CloutstreamError
from streams.fatal import leave
from streams.kafka.register import register_transport
from streams.listening import listen, url_of
from streams.settings import PREFIX, Settings

_log = logging.getLogger("cloutstream")
LEAVE_WITHIN_S = STOP_WITHIN_S - 1.5


class Worker(faust.Worker):
    """Faust's worker; being told to stop starts the clock for its end."""

    def __init__(self, app: CloutstreamApp, started: str, **options: Any) -> None:
        super().__init__(app, **options)
        self.spinner = None  # it writes cursor codes into logs
        self._started_line = started
        self.watchdog = Watchdog(self.loop, lambda: waiting_for(app), app.settings.stall_timeout_s)

    async def on_first_start(self) -> None:
        """Say where it can be asked how it is: logging is set up only now."""
        await super().on_first_start()
        _log.info(self._started_line)

    async def stop(self) -> None:
        """Stop, or be ended when that takes too long."""
        self.watchdog.stop_soon()
        stopping = asyncio.ensure_future(super().stop())
        await asyncio.wait({stopping}, timeout=LEAVE_WITHIN_S)
        if stopping.done():
            stopping.result()
            return
        # Nothing is lost by it: what isn't committed is taken again, and what is again taken counts once.
        _log.warning("not all had ended %g s after the stop was asked for: it ends as it is", LEAVE_WITHIN_S)
        self._leave()

    def _shutdown_loop(self) -> None:
        """End the process, now that all is stopped: with 0, or with 70 after a crash.

        At once. Faust would wait a second, and then for every task, one that swallows its cancellation included.
        """
        self._leave()

    def _leave(self) -> NoReturn:
        leave(CloutstreamError.exit_code if self.crash_reason or sys.exc_info()[1] else 0)


def run(settings: Settings) -> NoReturn:
    """Run a worker until SIGTERM or Ctrl-C, and end the process.

    Raises:
        ConfigurationError: its HTTP endpoint can't listen where it should.
    """
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
    listening = listen(f"{PREFIX}OPERATIONS", settings.operations) if settings.operations else None
    app = build(settings)
    where = (
        f"health and metrics at {url_of(listening)}" if listening else "no health and metrics: CLOUTSTREAM_OPERATIONS is empty"
    )
    worker = Worker(app, f"worker {os.getpid()} starts: {where}", loglevel="INFO", redirect_stdouts=False, quiet=True)
    worker.watchdog.start()
    if listening is not None:
        Operations(
            listening,
            worker.loop,
            lambda: conditions(app, time.time()),
            app.metrics,
            worker.watchdog,
            settings.operations_token.reveal(),
        ).start()
    worker.execute_from_commandline()
