"""What the control topic says now, for commands."""

from __future__ import annotations

from streams.control.state import ControlRecord, ControlState, Fetched
from streams.kafka.reading import read_topic
from streams.settings import Settings


def read_control(settings: Settings) -> ControlState:
    """Return what is defined now.

    Raises:
        ServiceUnavailable: Kafka can't be reached.
        ConfigurationError: there is no control topic.
    """
    state = ControlState()
    state.apply(Fetched(control_records(settings), None))
    return state


def control_records(settings: Settings) -> list[ControlRecord]:
    """Return the records that are retained, in order; raises as `read_control`."""
    return [ControlRecord(r.offset, r.timestamp, r.key, r.value) for r in read_topic(settings, settings.control_topic)]
