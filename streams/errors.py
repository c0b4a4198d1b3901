"""What can go wrong, and the exit code each ends a command with.

CloutstreamError            70  a bug or a state that must not be worked around
  ConfigurationError        78  a setting, or topics that don't fit
  UsageError                 2  the command line
  ServiceUnavailable        69  Kafka or Redis can't be reached
  DurabilityError           70  a send failed: the process ends before anything past it is committed
  Stalled                   70  a worker stands still: a supervisor starts it again
  InvalidEvent              --  one record is refused; it becomes a dead letter, its neighbours go on
"""

from __future__ import annotations


class CloutstreamError(Exception):
    """Base of all errors raised on purpose."""

    exit_code = 70


class ConfigurationError(CloutstreamError):
    """A setting, or the broker's topics, don't fit: message names the value and what is valid."""

    exit_code = 78


class UsageError(CloutstreamError):
    """The command line can't be understood."""

    exit_code = 2


class ServiceUnavailable(CloutstreamError):
    """Kafka or Redis can't be reached."""

    exit_code = 69

    def __init__(self, service: str, address: str, reason: str) -> None:
        self.service = service
        self.address = address
        self.reason = reason
        super().__init__(f"{service} at {address} can't be reached: {reason}")


class DurabilityError(CloutstreamError):
    """A record could not be made durable; nothing after it may be committed, so the process ends."""


class Stalled(CloutstreamError):
    """A worker stands still; the message says what it waits for and how long."""


class InvalidEvent(CloutstreamError):
    """One input record is refused; `reason` goes into its dead letter, `fault` is the kind of it that is counted."""

    def __init__(self, fault: str, reason: str) -> None:
        self.fault = fault
        self.reason = reason
        super().__init__(reason)
