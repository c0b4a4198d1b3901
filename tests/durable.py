"""What was committed against what is there: an offset may only pass records whose effects are acknowledged."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np
import orjson
from harness import Deployment

from streams.events.engagements import decode
from streams.kafka.topics import read_topic
from streams.tables import actor_codec
from streams.verify.event import parse
from streams.verify.table import read_tables


def unacknowledged(running: Deployment, committed: dict[tuple[str, int], int]) -> Iterator[str]:
    """Yield every committed record an effect of which isn't there."""
    settings = running.settings
    source = settings.topic_names[0]
    engaged: defaultdict[int, set[int]] = defaultdict(set)  # source partition -> event offsets
    effects: list[tuple[int, int, bytes]] = []  # partition, offset, entity that it was folded into
    applied: defaultdict[tuple[int, int], int] = defaultdict(lambda: -1)
    for record in read_topic(settings, settings.engagements_topic):
        packed = decode(record.value or b"")
        offsets = packed.offsets
        engaged[packed.source_partition].update(offsets.tolist())
        place = record.partition, packed.source_partition
        fresh = np.flatnonzero(offsets > applied[place])  # the first occurrence is the one that counts
        effects += [(record.partition, record.offset, bytes(packed.names[t])) for t in packed.target[fresh].tolist()]
        applied[place] = max(applied[place], int(offsets.max()))
    refused = {record.key for record in read_topic(settings, settings.dead_letters_topic)}

    markers = {r.partition: r.value for r in read_topic(settings, settings.actors_changelog) if r.key == actor_codec.MARKER_KEY}
    seen: defaultdict[int, set[tuple[str, bool]]] = defaultdict(set)
    for record in read_topic(settings, source):
        p = record.partition
        if record.offset >= committed.get((source, p), 0):
            continue
        event = parse(record.value)
        name = f"{source}[{p}]@{record.offset}"
        if event is None:
            if name.encode() not in refused:
                yield f"{name} has no dead letter"
        elif not event.is_self:
            if (event.id, event.is_undo) not in seen[p] and record.offset not in engaged[p]:
                yield f"{name} has no engagements"
            seen[p].add((event.id, event.is_undo))
    for p in range(settings.partitions):
        end = committed.get((source, p), 0)
        durable = orjson.loads(markers[p] or b"")["sources"][source]["position"] if p in markers else 0
        if durable < end:
            yield f"{source}[{p}] is committed to {end}; actors are durable to {durable}"

    tables = read_tables(settings)
    offs = {p: dict(zip(table.names, table.rows["off"].tolist(), strict=True)) for p, table in tables.items()}
    for p, offset, entity in effects:
        if offset < committed.get((settings.engagements_topic, p), 0) and offs[p].get(entity, -1) < offset:
            yield f"{settings.engagements_topic}[{p}]@{offset} isn't in the row of {entity!r}"
    for p, table in tables.items():
        end = committed.get((settings.engagements_topic, p), 0)
        if table.folded + 1 < end:
            yield f"{settings.engagements_topic}[{p}] is committed to {end}; the marker is at {table.folded}"

    published: dict[bytes, int] = {}
    for record in read_topic(settings, settings.scores_topic):
        if record.offset < committed.get((settings.scores_topic, record.partition), 0) and record.value:
            published[record.key or b""] = orjson.loads(record.value)["ver"]
    with running.client.pipeline(transaction=False) as ask:
        for entity in published:
            ask.hget(f"{settings.redis_prefix}score:{entity.decode()}", "ver")
        for (entity, ver), held in zip(published.items(), ask.execute(), strict=True):
            if int(held or -1) < ver:
                yield f"the score of {entity!r} of version {ver} is committed; Redis has {held!r}"
