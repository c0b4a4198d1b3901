"""Read a topic from its beginning to the end it has now, for commands that recount or list: no group, no commits."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

from kafka import TopicPartition
from kafka.errors import KafkaTimeoutError

from streams.errors import ConfigurationError, ServiceUnavailable
from streams.kafka.clients import REQUEST_TIMEOUT_MS, consumer, reaching_kafka
from streams.settings import Settings

SILENCE_TIMEOUT_S = 10.0


class Record(Protocol):
    """What reading yields; `timestamp` is epoch milliseconds, `value` None for a tombstone."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]


def end_offsets(settings: Settings, topic: str) -> dict[int, int]:
    """Return partition -> the offset the next record will get.

    Raises:
        ServiceUnavailable: Kafka can't be reached.
        ConfigurationError: there is no such topic.
    """
    # Small fetches: what comes back is only looked at for the high watermark.
    looking = {"fetch_max_wait_ms": 10, "max_partition_fetch_bytes": 1 << 16}
    with contextlib.closing(consumer(settings, **looking)) as client, reaching_kafka(settings):
        ends = _ends(client, _partitions(client, settings, topic))
    return {tp.partition: offset for tp, offset in ends.items()}


def beginning_offsets(settings: Settings, topic: str) -> dict[int, int]:
    """Return partition -> the offset of the oldest record still retained; raises as `end_offsets`."""
    with contextlib.closing(consumer(settings)) as client, reaching_kafka(settings):
        starts = client.beginning_offsets(_partitions(client, settings, topic))
    return {tp.partition: offset for tp, offset in starts.items()}


def read_topic(
    settings: Settings, topic: str, partitions: Iterable[int] | None = None, ends: Mapping[int, int] | None = None
) -> Iterator[Record]:
    """Yield every retained record of `topic` below its end at the time of the call; each partition in offset order.

    Args:
        settings: where Kafka is.
        topic: its name.
        partitions: which to read; all when None.
        ends: partition -> offset to stop before, instead of the current end.

    Raises:
        ServiceUnavailable: Kafka can't be reached, or sent nothing for 10 s before the end was reached.
        ConfigurationError: there is no such topic.
    """
    with contextlib.closing(consumer(settings)) as client:
        yield from _read(client, settings, *_assign(client, settings, topic, partitions, ends))


def _assign(
    client: Any, settings: Settings, topic: str, partitions: Iterable[int] | None, ends: Mapping[int, int] | None
) -> tuple[set[Any], Mapping[Any, int]]:
    """Assign what has records to read; return those partitions, and where each stops."""
    with reaching_kafka(settings):
        wanted = _partitions(client, settings, topic)
        if partitions is not None:
            chosen = set(partitions)
            wanted = [tp for tp in wanted if tp.partition in chosen]
        stops = _ends(client, wanted)
        if ends is not None:
            stops = {tp: min(ends.get(tp.partition, stops[tp]), stops[tp]) for tp in wanted}
        starts = client.beginning_offsets(wanted)
        open_partitions = {tp for tp in wanted if starts[tp] < stops[tp]}
        client.assign(list(open_partitions))
        for tp in open_partitions:
            client.seek(tp, starts[tp])
    return open_partitions, stops


def _read(client: Any, settings: Settings, open_partitions: set[Any], stops: Mapping[Any, int]) -> Iterator[Record]:
    heard_at_s = time.monotonic()
    while open_partitions:
        with reaching_kafka(settings):
            polled = client.poll(timeout_ms=500)
        for tp, records in polled.items():
            stop = stops[tp]
            if records[-1].offset < stop:
                yield from records
            else:
                yield from (record for record in records if record.offset < stop)
        for tp in list(open_partitions):
            # The position and not the last record's offset: the end may be a compacted record or a transaction marker.
            with reaching_kafka(settings):
                position = client.position(tp)
            if position >= stops[tp]:
                client.pause(tp)
                open_partitions.discard(tp)
        if polled:
            heard_at_s = time.monotonic()  # after the caller took its time with the records
        elif time.monotonic() - heard_at_s > SILENCE_TIMEOUT_S:
            waiting = ", ".join(f"{tp.topic}[{tp.partition}]@{client.position(tp)}" for tp in sorted(open_partitions))
            raise ServiceUnavailable(
                "Kafka", settings.kafka, f"nothing came for {SILENCE_TIMEOUT_S:.0f} s while reading {waiting}"
            )


def _ends(client: Any, wanted: list[Any]) -> dict[Any, int]:
    """Return the end of each partition: the high watermark that a fetch reports.

    Not only what ListOffsets answers, since the embedded broker answers the first offset of the last *batch* plus one.
    """
    latest: dict[Any, int] = client.end_offsets(wanted)
    client.assign(wanted)
    for tp in wanted:
        client.seek(tp, latest[tp])
    deadline = time.monotonic() + REQUEST_TIMEOUT_MS / 1000
    while any(client.highwater(tp) is None for tp in wanted):
        if time.monotonic() > deadline:
            raise KafkaTimeoutError(f"no fetch of {wanted[0].topic} was answered in {REQUEST_TIMEOUT_MS / 1000:.0f} s")
        client.poll(timeout_ms=50)
    return {tp: max(latest[tp], client.highwater(tp)) for tp in wanted}


def _partitions(client: Any, settings: Settings, topic: str) -> list[Any]:
    numbers = client.partitions_for_topic(topic)
    if not numbers:
        raise ConfigurationError(f"no topic {topic!r} at {settings.kafka}: create with `cloutstream topics create`")
    return [TopicPartition(topic, number) for number in sorted(numbers)]
