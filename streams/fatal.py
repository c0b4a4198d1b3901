"""Ending the process when going on would lose or double something: all it needs is in Kafka, and a supervisor starts it again."""

from __future__ import annotations

import logging
import os
import sys
from typing import NoReturn

_log = logging.getLogger(__name__)


def fatal(what: str, error: BaseException) -> NoReturn:
    """Log and exit with 70, at once: no handler may commit or swallow anything on the way out."""
    _log.critical("%s: %r; the worker ends and goes on from what is durable when started again", what, error, exc_info=error)
    logging.shutdown()
    sys.stderr.flush()
    os._exit(70)
