"""How busy actors are, recounted from the input: each event once, however often it was taken."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

import numpy as np

from streams.events.engagements import TWEET
from streams.intake.weigh import DAY_S
from streams.kafka.reading import Record
from streams.tables.actor_rows import ActorRows
from streams.verify.forgotten import Forgotten
from streams.verify.inputs import accepted_events, escaped

Times = dict[tuple[int, bytes], list[float]]  # by partition and actor; epoch s


def times_of(records: Iterable[Record], forgotten: Forgotten) -> Times:
    """Return when each actor did something, as an input topic has it."""
    times: defaultdict[tuple[int, bytes], list[float]] = defaultdict(list)
    for record, event in accepted_events(records, forgotten):
        if event.kind != TWEET and not event.is_undo:
            times[record.partition, f"account:{escaped(event.actor)}".encode()].append(min(event.at, record.timestamp / 1000))
    return times


def wrong_rates(table: ActorRows, partition: int, times: Times) -> Iterator[str]:
    """Yield what is wrong with the rows of one partition."""
    rows = table.live_of(partition)
    for name, row in zip(table.names.get(rows), table.rows[rows], strict=True):
        at = np.array(times.get((partition, name), []))
        expected = float(np.exp2((at - row["rate_at"]) / DAY_S).sum())
        if abs(row["rate"] - expected) > 1e-9 * expected:
            yield f"{name!r} engaged {row['rate']} times lately, expected {expected}"
