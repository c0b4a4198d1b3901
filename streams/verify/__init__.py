"""An oracle: recounts everything from Kafka's logs, by its own arithmetic, and compares the tables and Redis with it.

What it shares with the pipeline are the wire formats and, for rows beyond 32 people, the definition of a person's variates; all
else is written again here from the rules, so that a mistake in the tables' code can't confirm itself.
"""

from streams.verify.check import verify
from streams.verify.report import Mismatch, Report

__all__ = ["Mismatch", "Report", "verify"]
