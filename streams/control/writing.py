"""Writing to the control topic: what is written is read again.

Two commands may write the same definition at once. What counts is what its kind's fold makes of all records; but only the last
one outlives compaction. So each writer looks afterwards whether the last record alone says what all say together, and else writes
that. An hour passes before compaction.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from kafka.errors import KafkaError

from streams.control.reading import control_records
from streams.control.state import ControlRecord, ControlState, Fetched
from streams.errors import DurabilityError
from streams.kafka.clients import REQUEST_TIMEOUT_MS, producer
from streams.settings import Settings

_ATTEMPTS = 5


def write(settings: Settings, kind: str, name: str, value: bytes | None, encode: Callable[[Any], bytes]) -> Any:
    """Write a definition, and return it as it counts; None where it was taken away. See `write_all`."""
    return write_all(settings, kind, {name: value}, encode)[name]


def write_all(
    settings: Settings, kind: str, values: Mapping[str, bytes | None], encode: Callable[[Any], bytes]
) -> dict[str, Any]:
    """Write definitions, and return each as it counts; None where it was taken away.

    Args:
        settings: where Kafka is.
        kind: one of `state.FOLDS`.
        values: by id, the record's value; None takes the definition away.
        encode: gives the value of a record that alone says what a definition is.

    Raises:
        ServiceUnavailable: Kafka can't be reached.
        ConfigurationError: there is no control topic.
        DurabilityError: Kafka didn't take it.
    """
    found: dict[str, Any] = {}
    with contextlib.closing(producer(settings)) as client:
        for _ in range(_ATTEMPTS):
            try:
                sends = [
                    client.send(settings.control_topic, key=f"{kind}:{name}".encode(), value=value, partition=0)
                    for name, value in values.items()
                ]
                for send in sends:
                    send.get(timeout=REQUEST_TIMEOUT_MS / 1000)
            except KafkaError as e:
                raise DurabilityError(f"Kafka didn't take {_shown(kind, values)}: {e!r}; see whether it is there") from e
            records = control_records(settings)
            together, alone = _told(kind, records), _told(kind, list({record.key: record for record in records}.values()))
            missing = [name for name, value in values.items() if value is not None and name not in together]
            if missing:
                raise DurabilityError(
                    f"{_shown(kind, missing)} was acknowledged and isn't there; expected it in {settings.control_topic}"
                )
            found |= {name: together.get(name) for name in values}
            values = {name: encode(together[name]) for name in values if alone.get(name) != together.get(name)}
            if not values:
                return found
    raise DurabilityError(f"{_shown(kind, values)} is being written by others all the time; see whether it is as it should be")


def _shown(kind: str, names: Iterable[str]) -> str:
    first, *more = names
    return f"the {kind} {first!r}" + (f" and {len(more)} more" if more else "")


def _told(kind: str, records: list[ControlRecord]) -> Mapping[str, Any]:
    state = ControlState()
    state.apply(Fetched(records, None))
    return state.definitions(kind)
