"""Having a broker compact the changelogs now, not in an hour."""

from __future__ import annotations

import time
from contextlib import closing
from typing import Any

from kafka.admin import ConfigResource, ConfigResourceType

from chaos.stage import Scene
from streams.kafka.clients import admin
from streams.kafka.topics import read_topic

NOW = {"min.compaction.lag.ms": "0", "segment.ms": "1000", "min.cleanable.dirty.ratio": "0.01", "max.compaction.lag.ms": "1000"}
PATIENCE_S = 60.0


def alter(scene: Scene, topic: str, configs: dict[str, str]) -> None:
    """Change configurations of a topic."""
    with closing(admin(scene.settings)) as client:
        client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs=configs)])


def records_of(scene: Scene, topic: str) -> tuple[int, int]:
    """Return how many records a topic has, and how many keys."""
    keys: dict[Any, int] = {}
    count = 0
    for record in read_topic(scene.settings, topic):
        count += 1
        keys[record.partition, record.key] = count
    return count, len(keys)


def compact(scene: Scene) -> None:
    """Have both changelogs compacted, and return when it shows; workers must be running, since a new segment takes a record."""
    for topic in (scene.settings.actors_changelog, scene.settings.entities_changelog):
        before, _ = records_of(scene, topic)
        alter(scene, topic, NOW)
        until = time.monotonic() + PATIENCE_S
        count = before
        while count > before * 3 // 4:
            if time.monotonic() > until:
                scene.row.wrong.append(f"{topic} was not compacted within {PATIENCE_S:.0f} s: {before:,} records, now {count:,}")
                return
            scene.running.pass_time(2.0)
            count, _ = records_of(scene, topic)
        scene.row.notes.append(f"{topic.split('-', 1)[1]} compacted from {before:,} to {count:,} records")
