"""What is set on the topics that are there, against what must be: else records are lost, refused, or counted by other times.

Not all that `create_topics` sets is looked at: how long records are kept, and how large segments are, others may choose.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from kafka.admin import ConfigResource, ConfigResourceType

if TYPE_CHECKING:
    from streams.kafka.topics import TopicSpec

# What is looked at, and what comes of another value.
_POLICIES = {
    "compact": "rows of idle accounts would be lost",
    "delete": "of the records of a key all but the last would be lost",
}
_TIME = (
    "with times of the producer's clock, an event is not set back to when Kafka took it, and may count for the wrong campaigns"
)
_SIZE = "larger records would be refused, and the worker would end"


def found_configs(client: Any, names: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return topic -> name -> value, as far as the broker tells.

    The embedded one tells what was set; Apache Kafka nothing to a user who may not ask (the ACL operation DescribeConfigs).
    """
    # All configs and not only some: the embedded broker closes the connection when asked for one by name.
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    if not resources:
        return {}
    answer = client.describe_configs(resources, config_filter="all")
    return {
        topic: {name: config["value"] for name, config in configs.items() if config["value"] is not None}
        for topic, configs in answer.get("topic", {}).items()
    }


def config_problems(specs: Iterable[TopicSpec], found: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Return what is wrong with topics: each names the topic, the value, what was expected and what to do.

    Args:
        specs: as they must be.
        found: as from `found_configs`; what isn't in it isn't looked at.
    """
    return [problem for spec in specs for problem in _problems(spec, found.get(spec.name, {}))]


def _problems(spec: TopicSpec, found: Mapping[str, str]) -> Iterable[str]:
    policy, wanted = found.get("cleanup.policy"), spec.configs["cleanup.policy"]
    if policy is not None and policy != wanted:
        yield _problem(spec.name, "cleanup.policy", policy, wanted, wanted, _POLICIES[wanted])
    time, wanted_time = found.get("message.timestamp.type"), spec.configs.get("message.timestamp.type")
    if time is not None and wanted_time is not None and time != wanted_time:
        yield _problem(spec.name, "message.timestamp.type", time, wanted_time, wanted_time, _TIME)
    size, least = found.get("max.message.bytes"), spec.configs.get("max.message.bytes")
    if size is not None and least is not None and int(size) < int(least):
        yield _problem(spec.name, "max.message.bytes", size, f"{least} or more", least, _SIZE)


def _problem(topic: str, name: str, value: str, expected: str, wanted: str, otherwise: str) -> str:
    return (
        f"topic {topic!r} has {name}={value}, expected {expected}: {otherwise}; set it with `kafka-configs.sh --alter "
        f"--entity-type topics --entity-name {topic} --add-config {name}={wanted}`"
    )
