"""CPU of intake, scorer and publisher apart: their computing over a log, in this process, in rounds as the worker's.

What Kafka and Redis clients, Faust and the event loop add is not in here: that is the difference to the worker's CPU.
Flushes come as often as while draining 100,000 events a second.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from agents.fetched import ROUND_EVENTS
from benchmarks.logs import Log
from benchmarks.run import Figures
from streams.columns.placement import partitions_of
from streams.events.engagements import decode, encode
from streams.intake.take import take
from streams.kafka.range import Range
from streams.redis import published
from streams.redis.writer import ENTITIES_PER_CALL
from streams.settings import Settings
from streams.tables import actor_codec
from streams.tables.actor_rows import ActorRows
from streams.tables.entity_rows import EntityRows
from streams.tables.flush import flush_pieces
from streams.tables.fold import fold
from streams.tables.score_records import ScoreRecord

PARTITIONS = 2
FLUSH_EVENTS = 100_000
BROKER_MS = 1_700_000_000_000  # later than any event, so that none is clamped


class _Clock:
    """CPU seconds by agent."""

    def __init__(self) -> None:
        self.spent_s = {"intake": 0.0, "scorer": 0.0, "publisher": 0.0}

    @contextmanager
    def of(self, agent: str) -> Iterator[None]:
        """Count the CPU of the block."""
        begun = time.process_time()
        yield
        self.spent_s[agent] += time.process_time() - begun


def figures(log: Log) -> Figures:
    """Return `intake_`, `scorer_` and `publisher_cpu_us_per_event`."""
    settings, clock = Settings(partitions=PARTITIONS), _Clock()
    inputs = _placed(log)
    actors, entities = ActorRows(), EntityRows(settings)
    next_offset, unflushed = [0] * PARTITIONS, 0

    size = ROUND_EVENTS // PARTITIONS
    for first in range(0, max(map(len, inputs)), size):
        ranges = [
            Range(settings.topic_names[0], p, [*range(first, first + len(part))], [BROKER_MS] * len(part), [], part, first)
            for p, values in enumerate(inputs)
            if (part := values[first : first + size])
        ]
        with clock.of("intake"):
            taken = take(ranges, actors, entities, settings)
            values = [encode(record) for _, record in taken.engagements]
        targets, offsets = [p for p, _ in taken.engagements], []
        for p in targets:
            offsets.append(next_offset[p])
            next_offset[p] += 1
        with clock.of("scorer"):
            fold(entities, [decode(value) for value in values], offsets, targets)
        unflushed += sum(map(len, ranges))
        if unflushed >= FLUSH_EVENTS:
            _flush(actors, entities, clock)
            unflushed = 0
    _flush(actors, entities, clock)
    return {f"{agent}_cpu_us_per_event": spent_s / len(log) * 1e6 for agent, spent_s in clock.spent_s.items()}


def _placed(log: Log) -> list[list[bytes | None]]:
    """Return the events of each partition, in order."""
    inputs: list[list[bytes | None]] = [[] for _ in range(PARTITIONS)]
    for block in log.blocks:
        placed = partitions_of([key or b"" for key in block.keys], PARTITIONS).tolist()
        for p, value in zip(placed, block.values, strict=True):
            inputs[p].append(value)
    return inputs


def _flush(actors: ActorRows, entities: EntityRows, clock: _Clock) -> None:
    with clock.of("intake"):
        _actor_records(actors)
    pieces = flush_pieces(entities, range(PARTITIONS))
    while True:
        with clock.of("scorer"):
            flush = next(pieces, None)
            if flush is None:
                return
            for record in flush.scores:
                record.encode()
        with clock.of("publisher"):
            _packed(flush.scores)


def _actor_records(table: ActorRows) -> None:
    """Encode what a flush of intake writes: touched rows, ids, the markers."""
    rows = table.touched(range(PARTITIONS))
    table.dirty[rows] = False
    table.names.get(rows)
    actor_codec.encode_rows(table, rows)
    for p in range(PARTITIONS):
        actor_codec.take_id_blocks(table.inputs(p))
        actor_codec.encode_marker(table.inputs(p))


def _packed(scores: list[ScoreRecord]) -> None:
    """Make what the publishing script is called with."""
    items = [published.entry(record, offset, BROKER_MS / 1000) for offset, record in enumerate(scores)]
    for first in range(0, len(items), ENTITIES_PER_CALL):
        published.pack(items[first : first + ENTITIES_PER_CALL])
