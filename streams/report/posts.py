"""The posts of a campaign that got the most, from the events themselves: engagements don't say which post they are for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from streams.control.campaigns import Campaign
from streams.kafka.reading import read_topic
from streams.settings import Settings
from streams.verify.inputs import Inputs, recounted


@dataclass(slots=True)
class Post:
    """A post by its `author`, and what it got within the campaign: likes, shares and replies."""

    id: str
    author: str
    counts: list[int] = field(default_factory=lambda: [0, 0, 0])

    @property
    def engagements(self) -> int:
        """All of them."""
        return sum(self.counts)


class _Told(msgspec.Struct):
    author: str
    post: str | None = None


def top_posts(settings: Settings, campaign: Campaign, n: int, progress: Callable[[str, float, float], None]) -> list[Post]:
    """Return the `n` posts with the most engagements, as far as events name theirs and are retained.

    All events are recounted, as `verify` does, so each counts as it did: that takes as long.

    Raises:
        ServiceUnavailable: Kafka can't be reached.
        ConfigurationError: a topic is missing.
    """
    inputs = Inputs()
    for record in read_topic(settings, settings.control_topic):
        inputs.campaigns.tell(record.key, record.value, record.timestamp)
    decoder = msgspec.json.Decoder(_Told)
    posts: dict[tuple[str, str], Post] = {}
    counts = inputs.counts.setdefault(campaign.entity, [0, 0, 0, 0])
    before = list(counts)
    for topic in settings.topic_names:
        for record in recounted(topic, read_topic(settings, topic), inputs, settings):
            if inputs.events % 5000 == 0:
                progress("recounting events for posts", inputs.events, 0)
            if counts == before:
                continue
            told = decoder.decode(record.value or b"")
            if told.post is not None and counts[0] == before[0]:
                post = posts.setdefault((told.author, told.post), Post(told.post, told.author))
                post.counts = [held + now - then for held, now, then in zip(post.counts, counts[1:], before[1:], strict=True)]
            before = list(counts)
    return sorted((p for p in posts.values() if p.engagements > 0), key=lambda p: (-p.engagements, p.author, p.id))[:n]
