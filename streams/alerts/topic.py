"""The topic of rules: read by commands, followed by workers while they run, written by commands."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable

from streams.alerts.rules import Rule, Rules, checked, decode, encode
from streams.errors import DurabilityError
from streams.settings import Settings

_log = logging.getLogger("cloutstream")
POLL_MS = 500


def read_rules(settings: Settings) -> Rules:
    """Return the rules as they are now.

    Raises:
        ServiceUnavailable: Kafka can't be reached.
        ConfigurationError: there is no such topic.
    """
    from streams.kafka.reading import read_topic

    rules = Rules()
    for record in read_topic(settings, settings.rules_topic):
        apply(rules, record.key, record.value)
    return rules


def write_rule(settings: Settings, rule_id: str, rule: Rule | None) -> None:
    """Write a rule, or with None remove it; workers have it within a second.

    Raises:
        ServiceUnavailable: Kafka can't be reached.
        DurabilityError: Kafka didn't take it.
    """
    from kafka.errors import KafkaError

    from streams.kafka.clients import producer, reaching_kafka

    value = None if rule is None else encode(checked(rule))
    with contextlib.closing(producer(settings)) as sender, reaching_kafka(settings):
        try:
            sender.send(settings.rules_topic, key=rule_id.encode(), value=value).get()
        except KafkaError as e:
            raise DurabilityError(f"topic {settings.rules_topic!r} did not take rule {rule_id!r}: {e!r}; try again") from e


async def follow(settings: Settings, rules: Rules, on_loaded: Callable[[], None]) -> None:
    """Keep `rules` as the topic says, for ever; calls `on_loaded` once all that was there at first is read."""
    from aiokafka import AIOKafkaConsumer, TopicPartition

    from streams.kafka.clients import aiokafka_security

    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka, client_id=settings.app_id, enable_auto_commit=False, auto_offset_reset="earliest",
        **aiokafka_security(settings),
    )  # fmt: skip
    await consumer.start()
    try:
        partitions = [TopicPartition(settings.rules_topic, p) for p in range(settings.partitions)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        starts = await consumer.beginning_offsets(partitions)
        for tp in partitions:
            consumer.seek(tp, starts[tp])
        unread, is_loaded = {tp for tp in partitions if starts[tp] < ends[tp]}, False
        while True:
            if not unread and not is_loaded:
                is_loaded = True
                on_loaded()
            fetched = await consumer.getmany(timeout_ms=POLL_MS)
            for tp, records in fetched.items():
                for record in records:
                    apply(rules, record.key, record.value)
                if records and records[-1].offset + 1 >= ends[tp]:
                    unread.discard(tp)
            for tp in list(unread):  # what comes last may have been compacted away
                if await consumer.position(tp) >= ends[tp]:
                    unread.discard(tp)
    finally:
        await consumer.stop()


def apply(rules: Rules, key: bytes | None, value: bytes | None) -> None:
    """Apply one record. What isn't a rule of this release is left out with a warning: it must not end every worker."""
    if key is None:
        return
    rule_id = key.decode(errors="replace")
    if value is None:
        rules.remove(rule_id)
        return
    try:
        rules.put(decode(value))
    except ValueError as e:
        rules.remove(rule_id)
        _log.warning("rule %r is left out: %s", rule_id, e)
