"""Dead letters as they lie in Kafka: refused bytes under the coordinate they came from, with reason and time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from streams.control.campaigns import MOST_ID_CHARS
from streams.errors import UsageError
from streams.events.letters import LENGTH_HEADER
from streams.settings import Settings

RETRIED_HEADER = "retried_at_ms"
_COORDINATE = re.compile(r"(?P<topic>[A-Za-z0-9._-]{1,249})\[(?P<partition>\d{1,9})\]@(?P<offset>\d{1,18})")


class Coordinate(NamedTuple):
    """Where a refused record lies in the input."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}[{self.partition}]@{self.offset}"

    @classmethod
    def parse(cls, text: str) -> Coordinate:
        """Return the coordinate written as `topic[partition]@offset`.

        Raises:
            UsageError: it isn't written so.
        """
        found = _COORDINATE.fullmatch(text)
        if found is None:
            raise UsageError(f"{text!r} isn't a coordinate; expected topic[partition]@offset, e.g. events[3]@1234")
        return cls(found["topic"], int(found["partition"]), int(found["offset"]))


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One refused record. `at_ms` is the time of the refused record, epoch ms; a null value is kept as empty bytes.

    `length_bytes` is how long the record was: of one that was too long, `value` is only the beginning.
    """

    coordinate: Coordinate
    reason: str
    at_ms: int
    value: bytes
    length_bytes: int
    is_retry_mark: bool

    @property
    def is_cut(self) -> bool:
        """Whether the bytes aren't all of the record."""
        return self.length_bytes > len(self.value)

    @property
    def actor(self) -> str | None:
        """The actor's id, where the bytes can be read that far: the record's original key."""
        try:
            event = orjson.loads(self.value)
        except orjson.JSONDecodeError:
            return None
        actor = event.get("actor") if isinstance(event, dict) else None
        # What no account can have would be as long a key as value: together they may be more than the topic takes.
        return actor if isinstance(actor, str) and 0 < len(actor) <= MOST_ID_CHARS else None

    @property
    def headers(self) -> list[tuple[str, bytes]]:
        """The headers it lies in Kafka with."""
        topic, partition, offset = self.coordinate
        values = {"reason": self.reason, "topic": topic, "partition": partition, "offset": offset, "at_ms": self.at_ms}
        if self.is_cut:
            values[LENGTH_HEADER] = self.length_bytes
        return [(name, str(value).encode()) for name, value in values.items()]


def parse_record(record: Any) -> DeadLetter | None:
    """Return the dead letter in a Kafka record, or None when it isn't one (the topic is open to other writers)."""
    headers = {name: value for name, value in record.headers or () if value is not None}
    try:
        coordinate = Coordinate(headers["topic"].decode(), int(headers["partition"]), int(headers["offset"]))
        at_ms = int(headers["at_ms"])
        length_bytes = int(headers.get(LENGTH_HEADER, len(record.value or b"")))
        reason = headers["reason"].decode()
    except (KeyError, ValueError):  # UnicodeDecodeError is one
        return None
    return DeadLetter(coordinate, reason, at_ms, record.value or b"", length_bytes, RETRIED_HEADER in headers)


def read_letters(settings: Settings) -> Iterator[DeadLetter]:
    """Read every dead letter up to the topic's present end; a coordinate may come more than once, also as a retry's mark."""
    from streams.kafka.reading import read_topic

    for record in read_topic(settings, settings.dead_letters_topic):
        letter = parse_record(record)
        if letter is not None:
            yield letter


def find(settings: Settings, wanted: Coordinate) -> DeadLetter:
    """Return the dead letter of a coordinate.

    Raises:
        UsageError: there is none.
    """
    for letter in read_letters(settings):
        if letter.coordinate == wanted:
            return letter
    raise UsageError(
        f"no dead letter {wanted} in {settings.dead_letters_topic!r}; `cloutstream dead-letters list` shows what there is"
    )
