"""What a CloudEvent in a Kafka record says: its attributes, and its data as an object."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

STRUCTURED = "application/cloudevents+json"
_PREFIX = "ce_"
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class Record(NamedTuple):
    """A record of a topic; `at_ms` is the broker's time, epoch ms."""

    partition: int
    offset: int
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()
    at_ms: int = 0


class CloudEvent(NamedTuple):
    """One event of whatever sort."""

    attributes: dict[str, str]
    data: dict[str, Any]

    def row(self) -> dict[str, Any]:
        """Return the data, with the attributes as `ce_...` beside it."""
        return {**self.data, **{_PREFIX + name: value for name, value in self.attributes.items()}}


def parse(record: Record) -> CloudEvent:
    """Return the event in a record.

    Raises:
        ValueError: there is none; the text says why.
    """
    headers = {name.lower(): value.decode(errors="replace") for name, value in record.headers if value is not None}
    if headers.get("content-type", "").partition(";")[0].strip().lower() == STRUCTURED:
        return _structured(record.value)
    attributes = {name.removeprefix(_PREFIX): value for name, value in headers.items() if name.startswith(_PREFIX)}
    if not {"id", "source", "type"} <= attributes.keys():
        raise ValueError("not a CloudEvent")
    return CloudEvent(attributes, _object(record.value))


def _structured(value: bytes | None) -> CloudEvent:
    envelope = _object(value)
    data = envelope.pop("data", None)
    encoded = envelope.pop("data_base64", None)
    if isinstance(encoded, str):
        try:
            data = _object(base64.b64decode(encoded, validate=True))
        except binascii.Error:
            raise ValueError("data_base64 is no base64") from None
    attributes = {name: found for name, found in envelope.items() if isinstance(found, str)}
    if not {"id", "source", "type"} <= attributes.keys():
        raise ValueError("not a CloudEvent")
    return CloudEvent(attributes, data if isinstance(data, dict) else {})


def _object(value: bytes | None) -> dict[str, Any]:
    try:
        return _decode(value or b"")
    except (msgspec.MsgspecError, UnicodeError, RecursionError, OverflowError):
        raise ValueError("no JSON object") from None
