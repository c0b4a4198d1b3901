"""Writing to the control topic: what is written is read again.

Two commands may write the same definition at once. What counts is what its kind's fold makes of all records; but only the last
one outlives compaction. So each writer looks afterwards whether the last record alone says what all say together, and else writes
that. An hour passes before compaction.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from kafka.errors import KafkaError

from streams.control.reading import control_records
from streams.control.state import ControlRecord, ControlState, Fetched
from streams.errors import DurabilityError
from streams.kafka.clients import REQUEST_TIMEOUT_MS, producer
from streams.settings import Settings

_ATTEMPTS = 5


def write(settings: Settings, kind: str, name: str, value: bytes | None, encode: Callable[[Any], bytes]) -> Any:
    """Write a definition, and return it as it counts; None where it was taken away.

    Args:
        settings: where Kafka is.
        kind: one of `state.FOLDS`.
        name: its id.
        value: the record's; None takes the definition away.
        encode: gives the value of a record that alone says what a definition is.

    Raises:
        ServiceUnavailable: Kafka can't be reached.
        ConfigurationError: there is no control topic.
        DurabilityError: Kafka didn't take it.
    """
    key = f"{kind}:{name}".encode()
    with contextlib.closing(producer(settings)) as client:
        for _ in range(_ATTEMPTS):
            try:
                client.send(settings.control_topic, key=key, value=value, partition=0).get(timeout=REQUEST_TIMEOUT_MS / 1000)
            except KafkaError as e:
                raise DurabilityError(f"Kafka didn't take the {kind} {name!r}: {e!r}; see whether it is there") from e
            records = [record for record in control_records(settings) if record.key == key]
            together, alone = _told(kind, name, records), _told(kind, name, records[-1:])
            if together is None and value is not None:
                raise DurabilityError(
                    f"the {kind} {name!r} was acknowledged and isn't there; expected it in {settings.control_topic}"
                )
            if alone == together:
                return together
            value = encode(together)
    raise DurabilityError(f"the {kind} {name!r} is being written by others all the time; see whether it is as it should be")


def _told(kind: str, name: str, records: list[ControlRecord]) -> Any:
    state = ControlState()
    state.apply(Fetched(records, None))
    return state.definitions(kind).get(name)
