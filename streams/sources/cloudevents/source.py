"""A Kafka topic of CloudEvents, read without a consumer group: where it goes on is stored with the other sources' positions."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from streams.errors import ConfigurationError, ServiceUnavailable
from streams.kafka.clients import aiokafka_security
from streams.kafka.topics import beginning_offsets
from streams.settings import Settings
from streams.sources.cloudevents.envelope import Record
from streams.sources.cloudevents.mapping import NETWORK, Mapping
from streams.sources.file.mapping import FieldMap
from streams.sources.source import Mapped, Position, Source

_MOST_RECORDS = 2_000
_POLL_MS = 500
_REQUEST_TIMEOUT_MS = 20_000

logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # what it has to say comes as an exception as well


class CloudEvents(Source):
    """The records of a topic, from its beginning; `settings` say which Kafka."""

    name = NETWORK

    def __init__(self, settings: Settings, topic: str, fields: FieldMap) -> None:
        """Open nothing yet.

        Raises:
            ConfigurationError: the topic is one of those that are written to.
        """
        if topic in (*settings.topic_names, settings.kept_topic):
            raise ConfigurationError(f"--topic is {topic!r}, which `ingest` writes to; expected another topic")
        self._settings, self._topic = settings, topic
        self._mapping = Mapping(fields)
        self._offsets: dict[int, int] = {}
        self._lost = 0

    def map(self, message: Record) -> Mapped:
        """Return what a record is."""
        self._offsets[message.partition] = message.offset + 1
        return self._mapping.map(message)

    def raw(self, message: Record) -> bytes:
        """Return the record's value."""
        return message.value or b""

    def position(self) -> Position | None:
        """Return the next offset of each partition."""
        return {"offsets": {str(partition): offset for partition, offset in self._offsets.items()}} if self._offsets else None

    def counters(self) -> dict[str, float]:
        """Return what was counted about the topic."""
        return {"expired_records": self._lost}

    async def batches(self, position: Position | None) -> AsyncGenerator[Sequence[Record], None]:
        """Yield records as they come.

        Raises:
            ServiceUnavailable: Kafka can't be reached.
            ConfigurationError: there is no such topic.
        """
        starts = await asyncio.to_thread(beginning_offsets, self._settings, self._topic)
        self._offsets = {int(p): int(offset) for p, offset in (position or {}).get("offsets", {}).items()}
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._settings.kafka,
            client_id=self._settings.app_id,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            request_timeout_ms=_REQUEST_TIMEOUT_MS,
            **aiokafka_security(self._settings),
        )
        try:
            await consumer.start()
            consumer.assign([TopicPartition(self._topic, partition) for partition in starts])
            for partition, start in starts.items():
                self._seek(consumer, partition, start)
            while True:
                found = await consumer.getmany(timeout_ms=_POLL_MS, max_records=_MOST_RECORDS)
                batch = [Record(tp.partition, r.offset, r.value, r.headers, r.timestamp) for tp, rs in found.items() for r in rs]
                if batch:
                    yield batch
        except (KafkaError, OSError) as e:
            raise ServiceUnavailable("Kafka", self._settings.kafka, str(e)) from e
        finally:
            await consumer.stop()

    def _seek(self, consumer: AIOKafkaConsumer, partition: int, start: int) -> None:
        offset = self._offsets.get(partition, start)
        if offset < start:
            self._lost += start - offset
            self.tell(f"{self._topic}[{partition}]@{offset} is no longer there: {start - offset:,} records expired unread")
        consumer.seek(TopicPartition(self._topic, partition), max(offset, start))
