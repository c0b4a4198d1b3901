"""What `doctor` looks at in Kafka: brokers, topics, how far the workers are, and the usual engagement per post."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any

from kafka import TopicPartition

from streams.cli.checks import Check, failed
from streams.errors import ConfigurationError, ServiceUnavailable
from streams.events.engagements import KIND_MASK, TWEET, UNDO_BIT, decode
from streams.kafka.clients import admin, consumer, reaching_kafka
from streams.kafka.reading import beginning_offsets, end_offsets
from streams.kafka.topics import check_topics
from streams.settings import Settings

SAMPLE_RECORDS = 200  # per partition, each of an intake batch: enough for a ratio, read in well under a second
SAMPLE_TIMEOUT_S = 5.0


def kafka_checks(settings: Settings) -> Iterator[Check]:
    """Yield the findings; the later ones are left out where an earlier one makes them impossible."""
    try:
        yield _brokers(settings)
        check_topics(settings)
    except ServiceUnavailable as e:
        yield failed("kafka", e)
        return
    except ConfigurationError as e:
        yield failed("topics", e)
        return
    yield Check("topics", "ok", f"all there, {settings.partitions} partitions each", {"partitions": settings.partitions})
    yield _lag(settings)
    yield _usual(settings)


def _brokers(settings: Settings) -> Check:
    with contextlib.closing(admin(settings)) as client, reaching_kafka(settings):
        brokers = [f"{b['host']}:{b['port']}" for b in client.describe_cluster()["brokers"]]
    return Check("kafka", "ok", f"{len(brokers)} broker{'s' * (len(brokers) != 1)}: {', '.join(brokers)}", {"brokers": brokers})


def _lag(settings: Settings) -> Check:
    """Messages between what is committed, or where nothing is the oldest retained, and the end of each topic read."""
    with contextlib.closing(admin(settings)) as client, reaching_kafka(settings):
        places = client.list_group_offsets(settings.app_id).get(settings.app_id, {})
    committed = {(tp.topic, tp.partition): place.offset for tp, place in places.items() if place.offset >= 0}
    lag: dict[str, int] = {}
    for topic in [*settings.topic_names, settings.engagements_topic]:
        starts, ends = beginning_offsets(settings, topic), end_offsets(settings, topic)
        lag[topic] = sum(max(0, end - committed.get((topic, p), starts[p])) for p, end in ends.items())
    says = ", ".join(f"{count:,} in {topic}" for topic, count in lag.items())
    if not committed and any(lag.values()):
        return Check("lag", "warn", f"nothing was ever committed: {says}; start `cloutstream worker`", {"lag_messages": lag})
    return Check("lag", "ok", f"messages not yet committed: {says}", {"lag_messages": lag})


def _usual(settings: Settings) -> Check:
    """Weighted engagements per post in the newest records: what the setting `usual_engagement_per_post` is meant to be."""
    weight, posts = 0.0, 0
    for record in _newest(settings):
        batch = decode(record.value)
        # An event that fans out to topics has several targets; the account itself is the one without a scope.
        is_account = [name.startswith(b"account:") and b"@" not in name for name in batch.names]
        for target, flags, each in zip(batch.target.tolist(), batch.flags.tolist(), batch.weight.tolist(), strict=True):
            if is_account[target] and not flags & UNDO_BIT:
                is_post = flags & KIND_MASK == TWEET
                posts += is_post
                weight += 0.0 if is_post else each
    setting = settings.usual_engagement_per_post
    values = {"observed": round(weight / posts, 4) if posts else None, "setting": setting, "posts": posts}
    if not posts:
        return Check("engagement per post", "ok", f"no posts in the newest events; the setting is {setting:g}", values)
    says = f"{weight / posts:.2f} over the newest {posts:,} posts; CLOUTSTREAM_USUAL_ENGAGEMENT_PER_POST is {setting:g}"
    return Check("engagement per post", "ok" if 0.5 < weight / posts / setting < 2 else "warn", says, values)


def _newest(settings: Settings) -> Iterator[Any]:
    """Yield the last records of each partition of the engagements."""
    topic = settings.engagements_topic
    starts = beginning_offsets(settings, topic)
    ends = {TopicPartition(topic, p): end for p, end in end_offsets(settings, topic).items() if end > starts[p]}
    with contextlib.closing(consumer(settings)) as client, reaching_kafka(settings):
        client.assign(list(ends))
        for tp, end in ends.items():
            client.seek(tp, max(starts[tp.partition], end - SAMPLE_RECORDS))
        deadline_s = time.monotonic() + SAMPLE_TIMEOUT_S
        while any(client.position(tp) < end for tp, end in ends.items()) and time.monotonic() < deadline_s:
            for records in client.poll(timeout_ms=500).values():
                yield from (record for record in records if record.value is not None)
