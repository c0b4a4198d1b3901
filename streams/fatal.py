"""Ending the process when going on would lose or double something: all it needs is in Kafka, and a supervisor starts it again."""

from __future__ import annotations

import logging
import os
import sys
import threading
from typing import NoReturn

from streams.errors import CloutstreamError

LOG_WITHIN_S = 5.0
_log = logging.getLogger(__name__)


def fatal(what: str, error: BaseException) -> NoReturn:
    """Log and exit at once: no handler may commit or swallow anything on the way out.

    With the error's exit code, and with 70 where it isn't one of ours.
    """
    code = error.exit_code if isinstance(error, CloutstreamError) else CloutstreamError.exit_code
    # The log may be a pipe that nobody reads: that must not keep the process.
    backstop = threading.Timer(LOG_WITHIN_S, os._exit, [code])
    backstop.daemon = True
    try:
        backstop.start()
        raised = error if error.__traceback__ else None  # one that was only made here has nothing more to show
        _log.critical("%s: %r; the worker ends and goes on from what is durable when started again", what, error, exc_info=raised)
    finally:
        leave(code)


def leave(code: int) -> NoReturn:
    """Exit at once with nothing torn down: what threads, event loops and extension modules still hold goes with the process.

    Whether or not what was logged can still be written: its disk may be full, or who reads it be gone.
    """
    try:
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)
