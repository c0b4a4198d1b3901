"""Sending dead letters to their input topic again, and marking them as retried."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from itertools import islice
from typing import Any

from kafka.errors import KafkaError

from streams.cli.letters import RETRIED_HEADER, DeadLetter
from streams.errors import ConfigurationError, DurabilityError
from streams.kafka.clients import producer, reaching_kafka
from streams.settings import Settings


def send_again(settings: Settings, letters: Iterator[DeadLetter]) -> dict[str, Any]:
    """Send in blocks: first the records, and when Kafka has them, their marks. Return the coordinates, and how many had a key.

    A crash between the two repeats a record at the next retry, which intake's duplicate check then counts once.

    Raises:
        ServiceUnavailable: Kafka can't be reached.
        ConfigurationError: one came from a topic that isn't read any more.
        DurabilityError: Kafka didn't take them.
    """
    result: dict[str, Any] = {"found": set(), "keyed": 0, "unkeyed": 0}
    with contextlib.closing(producer(settings)) as sender, reaching_kafka(settings):
        while block := list(islice(letters, 500)):
            _acknowledged(sender, [_original(letter, settings) for letter in block])
            _acknowledged(sender, [_mark(letter, settings) for letter in block])
            result["found"].update(letter.coordinate for letter in block)
            keyed = sum(letter.actor is not None for letter in block)
            result["keyed"] += keyed
            result["unkeyed"] += len(block) - keyed
    return result


def _original(letter: DeadLetter, settings: Settings) -> dict[str, Any]:
    topic, partition, _ = letter.coordinate
    if topic not in settings.topic_names:
        raise ConfigurationError(
            f"dead letter {letter.coordinate} came from topic {topic!r}, which isn't read any more; CLOUTSTREAM_INPUT_TOPICS is "
            f"{settings.input_topics!r}"
        )
    if letter.actor is not None:
        return {"topic": topic, "key": letter.actor.encode(), "value": letter.value}
    return {"topic": topic, "key": None, "value": letter.value, "partition": partition}


def _mark(letter: DeadLetter, settings: Settings) -> dict[str, Any]:
    # The same letter once more, so that a reader that knows nothing of marks sees a coordinate it already has.
    headers = [*letter.headers, (RETRIED_HEADER, str(int(time.time() * 1000)).encode())]
    key = str(letter.coordinate).encode()
    return {"topic": settings.dead_letters_topic, "key": key, "value": letter.value, "headers": headers}


def _acknowledged(sender: Any, records: list[dict[str, Any]]) -> None:
    try:
        sends = [sender.send(**record) for record in records]
        sender.flush()
        for send in sends:
            send.get()
    except KafkaError as e:
        raise DurabilityError(f"topic {records[0]['topic']!r} did not take {len(records)} records: {e!r}; retry again") from e
