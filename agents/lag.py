"""How far a worker is behind, partition by partition, as far as its fetches have told."""

from __future__ import annotations

from collections.abc import Iterator

from faust.types import TP

from agents.host import Host
from agents.publisher import Publisher


def next_offsets(app: Host, publisher: Publisher) -> Iterator[tuple[TP, int]]:
    """Yield the offset that the agents take next of each owned partition of all topics they read."""
    settings = app.settings
    for p in app.owned:
        for topic in settings.topic_names:
            yield TP(topic, p), app.actor_rows.inputs(p).source(topic).position
        yield TP(settings.engagements_topic, p), app.entities.partition(p).next_offset
        yield TP(settings.scores_topic, p), publisher.next_offset(p)


def lag_messages(app: Host, publisher: Publisher) -> dict[TP, int]:
    """Return how many records are in each owned partition whose effects aren't durable, or not in Redis for scores."""
    known_end = app.consumer.known_end
    return {tp: max(0, known_end(tp) - app.durable.get(tp, offset)) for tp, offset in next_offsets(app, publisher)}
