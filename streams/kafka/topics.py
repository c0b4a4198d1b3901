"""The topics of a deployment: what each holds, how it is kept, and whether the broker's are right.

All have the same number of partitions, `Settings.partitions`, which never changes: it places an account on a worker; only the
control topic has one. Names are in `Settings`; the tables' changelogs are created here and not by Faust, so that they are kept as
the tables need.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field, replace

from kafka.errors import for_code

from streams.errors import ConfigurationError
from streams.kafka.clients import admin, reaching_kafka
from streams.kafka.reading import beginning_offsets, end_offsets, read_topic
from streams.kafka.topic_configs import config_problems, found_configs
from streams.settings import PREFIX, Settings

__all__ = [
    "TopicSpec",
    "beginning_offsets",
    "check_topics",
    "create_topics",
    "end_offsets",
    "read_topic",
    "source_topic_specs",
    "topic_specs",
]

KNOWN_WITHIN_S = 8.0
_HOUR_MS = 3_600_000
_TOPIC_ALREADY_EXISTS = 36

# Seven days to notice and repair a fault, and to recount: `verify` and a rebuild from nothing see what is still retained.
_KEPT_A_WEEK = {"cleanup.policy": "delete", "retention.ms": str(7 * 24 * _HOUR_MS)}

# Never "compact,delete": a row of an account that is idle for longer than the retention would be lost.
_COMPACTED = {
    "cleanup.policy": "compact",
    # The active segment is never compacted, so at the default of 1 GB or a week most of the topic would be dead records.
    "segment.bytes": str(64 << 20),
    "segment.ms": str(_HOUR_MS),
    "min.cleanable.dirty.ratio": "0.2",  # default 0.5: recovery would read twice as many records as there are rows
    "max.compaction.lag.ms": str(24 * _HOUR_MS),  # a quiet topic, too, is compacted and loses its tombstones
}


class MissingTopics(ConfigurationError):
    """A topic isn't there, as far as the broker knows that was asked."""


@dataclass(frozen=True)
class TopicSpec:
    """One topic as it should be."""

    name: str
    holds: str  # key -> value, for people
    configs: dict[str, str] = field(default_factory=dict)
    partitions: int = 0

    @property
    def is_compacted(self) -> bool:
        """Whether only the last record of each key is kept."""
        return self.configs["cleanup.policy"] == "compact"


def topic_specs(settings: Settings) -> list[TopicSpec]:
    """Return every topic that workers need, inputs first."""
    # An event's time is clamped to its record's timestamp, which therefore must be the broker's clock, not the producer's.
    events = {**_KEPT_A_WEEK, "message.timestamp.type": "LogAppendTime"}
    # One record holds the engagements of an intake batch for a partition; those of a big batch pass the default of 1 MB.
    engagements = {**_KEPT_A_WEEK, "max.message.bytes": str(8 << 20)}
    # A month, since a person has to look at them; 2 MB is more than any letter has (`streams.events.letters`).
    dead_letters = {"cleanup.policy": "delete", "retention.ms": str(30 * 24 * _HOUR_MS), "max.message.bytes": str(2 << 20)}
    # A worker that lost a partition may still write rows for it. Its successor finds them in the gap between its own
    # offsets and rewrites them, provided that compaction hasn't yet removed the newer rows: hence an hour of grace.
    changelog = {**_COMPACTED, "min.compaction.lag.ms": str(_HOUR_MS)}
    # A score's record also tells what it changed, and whom to alert. Were it compacted away while Redis is away, a worker that
    # starts before Redis is back would never tell that.
    scores = changelog
    # Whether an event counts for a campaign is decided by the broker's time of both. The hour is for two writers of one
    # definition: each sees the other's record before only the last is left.
    control = {**changelog, "message.timestamp.type": "LogAppendTime"}
    specs = [TopicSpec(name, "actor id -> event (JSON)", events) for name in settings.topic_names]
    specs += [
        TopicSpec(settings.engagements_topic, "no key -> packed engagements of one intake batch", engagements),
        TopicSpec(settings.scores_topic, "entity -> its current score (JSON); null: expired", scores),
        TopicSpec(settings.dead_letters_topic, "topic[partition]@offset -> the refused bytes", dead_letters),
        TopicSpec(settings.actors_changelog, "row of the actors table", changelog),
        TopicSpec(settings.entities_changelog, "row of the entities table", changelog),
        TopicSpec(settings.control_topic, "kind:id -> what is defined while workers run (JSON)", control, partitions=1),
    ]
    return _durable(settings, specs)


def source_topic_specs(settings: Settings) -> list[TopicSpec]:
    """Return the topics that only `ingest` needs."""
    kept = {"cleanup.policy": "delete", "retention.ms": str(30 * 24 * _HOUR_MS)}
    specs = [
        TopicSpec(settings.cursors_topic, "source -> where it goes on (JSON)", _COMPACTED),
        TopicSpec(settings.kept_topic, "source -> a message that isn't known or asks to forget an account", kept),
    ]
    return _durable(settings, specs)


def _durable(settings: Settings, specs: list[TopicSpec]) -> list[TopicSpec]:
    specs = [replace(spec, partitions=spec.partitions or settings.partitions) for spec in specs]
    if settings.replication == 1:
        return specs
    # Acknowledged means on two replicas at least, and with three of them one may be away.
    durable = {"min.insync.replicas": str(max(1, min(2, settings.replication - 1)))}
    return [replace(spec, configs={**spec.configs, **durable}) for spec in specs]


def create_topics(settings: Settings, specs: list[TopicSpec] | None = None) -> list[str]:
    """Create the topics that are missing, check all, and return the names of those created.

    Args:
        settings: where, and with how many partitions and replicas.
        specs: which; those that workers need when left out.

    Raises:
        ServiceUnavailable: Kafka can't be reached.
        ConfigurationError: the broker refused one, or one that exists doesn't fit.
    """
    created = []
    specs = topic_specs(settings) if specs is None else specs
    with contextlib.closing(admin(settings)) as client, reaching_kafka(settings):
        existing = set(client.list_topics())
        missing = {
            spec.name: {
                "num_partitions": spec.partitions,
                "replication_factor": settings.replication,
                "configs": spec.configs,
            }
            for spec in specs
            if spec.name not in existing
        }
        if missing:
            answer = client.create_topics(missing, timeout_ms=8_000, raise_errors=False)
            for topic in answer["topics"]:
                if topic["error_code"] == _TOPIC_ALREADY_EXISTS:  # another process was quicker: the check below judges it
                    continue
                if topic["error_code"]:
                    reason = topic["error_message"] or for_code(topic["error_code"]).__name__
                    raise ConfigurationError(
                        f"Kafka at {settings.kafka} refused to create the topic {topic['name']!r} with "
                        f"{missing[topic['name']]['num_partitions']} partitions and {settings.replication} replicas: {reason}; "
                        f"check {PREFIX}PARTITIONS and {PREFIX}REPLICATION"
                    )
                created.append(topic["name"])
            client.wait_for_topics(list(missing), timeout_ms=8_000)
    _check_when_known(settings, specs)
    return created


def _check_when_known(settings: Settings, specs: list[TopicSpec] | None) -> None:
    """Check topics that are there; each broker learns of new ones in its own time, and which one is asked is anybody's guess."""
    deadline = time.monotonic() + KNOWN_WITHIN_S
    while True:
        try:
            check_topics(settings, specs)
        except MissingTopics:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


def check_topics(settings: Settings, specs: list[TopicSpec] | None = None) -> None:
    """Check that topics, as in `create_topics`, exist, have the partitions they should, and are kept as they must be.

    Raises:
        ServiceUnavailable: Kafka can't be reached.
        ConfigurationError: names each topic that doesn't fit, what was found, what was expected and what to do.
    """
    specs = topic_specs(settings) if specs is None else specs
    with contextlib.closing(admin(settings)) as client, reaching_kafka(settings):
        existing = set(client.list_topics())
        described = client.describe_topics([spec.name for spec in specs if spec.name in existing])
        found = {topic["name"]: len(topic["partitions"]) for topic in described}
        configs = found_configs(client, found)
    missing = [spec.name for spec in specs if spec.name not in found]
    problems = []
    if missing:
        names = ", ".join(map(repr, missing))
        problems.append(f"no topic {names} at {settings.kafka}: create with `cloutstream topics create`")
    shared = {name: count for name, count in found.items() if name != settings.control_topic}
    for count in sorted({count for count in shared.values() if count != settings.partitions}):
        names = ", ".join(repr(name) for name, partitions in shared.items() if partitions == count)
        problems.append(
            f"topic {names} has {count} partitions, expected {settings.partitions}: set {PREFIX}PARTITIONS={count} if every "
            f"topic has that many, else use one with {settings.partitions} (the number can't be changed: it places the accounts)"
        )
    if found.get(settings.control_topic, 1) != 1:
        problems.append(
            f"topic {settings.control_topic!r} has {found[settings.control_topic]} partitions, expected 1: what is "
            "defined must have one order; delete it and run `cloutstream topics create`"
        )
    problems += config_problems(specs, configs)
    if problems:
        raise (MissingTopics if missing else ConfigurationError)("; ".join(problems))
