"""Where somebody forgotten is still named: in Redis, or in what compaction would leave of a topic."""

from __future__ import annotations

import re

from streams.settings import Settings

from .log import Log
from .store import Store


def still_named(settings: Settings, log: Log, store: Store, people: tuple[str, ...]) -> str:
    """Return the first place found; empty when there is none. Campaigns that name somebody are no worker's to change."""
    if not people:
        return ""
    name = re.compile("(?<![a-z0-9])(?:" + "|".join(people) + ")(?![0-9])")
    for key, held in store.data.items():
        if key != settings.redis_prefix + "campaigns" and name.search(f"{key} {held}"):
            return f"{key} in Redis names one of {people}: {held}"
    for topic in (settings.entities_changelog, settings.actors_changelog, settings.scores_topic):
        last = {(record.partition, record.key): record.value for record in log.topic(topic)}
        for (_, key), value in last.items():
            if value is not None and name.search(((key or b"") + b" " + value).decode("latin-1")):
                return f"{topic} names one of {people} at {key!r}: {value!r}"
    return ""
