"""The events of the common job: the Higgs recording over and over, made a little less tidy, with marks to tell progress by.

Each repetition comes later by the length of the recording, and with ids of its own. So that a wrong program is found out,
every 8th event is a `like` instead, every 16th a `tweet` by its author, every 32nd comes an hour late, and in every
thousandth's place is a record that is no valid event, of another kind each time.

A mark is an event for an author that nothing else touches. There are `STEPS` in each partition, evenly spread, the last at its
end: once a mark's author is in Redis, what was before it in that partition has been worked through. So everybody's progress is
seen in the same way, from outside.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import count

import msgspec
import numpy as np
from numpy.typing import NDArray

from benchmarks import logs
from streams.columns.placement import partitions_of
from streams.replay.readers import Records

STEPS = 20
AUTHOR, ACTOR = "author", "actor"  # what the records may be keyed by
_BLOCK = 20_000
_LATE_S = 3600
# None of these is a valid event, for any reader: the check of each program must find out.
BROKEN = [
    b"not json",
    b'["like"]',
    b'{"id":"x","kind":"wave","actor":"a","author":"b","at":1341100972}',
    b'{"id":"x","kind":"like","actor":"a","at":1341100972}',
    b'{"id":"x","kind":"like","actor":"","author":"b","at":1341100972}',
    b'{"id":"x","kind":"like","actor":"a","author":"","at":1341100972}',
    b'{"id":"x","kind":"like","actor":"a","author":"b","at":"noon"}',
    b'{"id":"x","kind":"like","actor":7,"author":"b","at":1341100972}',
    b'{"id":"x","kind":"like","actor":"a","author":"b","at":1341100972',
    b"\xff\xfe",
]


class _Engagement(msgspec.Struct):
    kind: str
    actor: str
    author: str
    at: int


@dataclass(frozen=True)
class Log:
    """`events` records and the marks; each iteration over `parts` makes the same.

    Args:
        events: how many records, without marks.
        partitions: of the topic they go to.
        keyed_by: AUTHOR or ACTOR.
    """

    events: int
    partitions: int
    keyed_by: str = AUTHOR

    @property
    def source(self) -> str:
        """Where the events are from."""
        return _recorded()[0]

    def __len__(self) -> int:
        return self.events + STEPS * self.partitions

    def marks(self) -> list[list[bytes]]:
        """Return the author of each mark, by step and partition."""
        return [_named(f"mark-{step}-", self.partitions) for step in range(STEPS)]

    def parts(self) -> Iterator[tuple[Records, bool]]:
        """Yield the records in order, and whether they are a step's marks, one for each partition."""
        actors = _named("marker-", self.partitions)
        bounds = np.linspace(0, self.events, STEPS + 1).astype(int).tolist()
        for step, authors in enumerate(self.marks()):
            for first in range(bounds[step], bounds[step + 1], _BLOCK):
                yield _events(first, min(first + _BLOCK, bounds[step + 1]), self.keyed_by), False
            at = _time_of(max(bounds[step + 1] - 1, 0))
            values = [
                b'{"id":"%b","kind":"share","actor":"%b","author":"%b","at":%d}' % (author, actor, author, at)
                for author, actor in zip(authors, actors, strict=True)
            ]
            keys: list[bytes | None] = [*(authors if self.keyed_by == AUTHOR else actors)]
            yield Records(keys, values), True

    def placed(self, records: Records) -> NDArray[np.int64]:
        """Return how many of the records each partition gets, shape (partitions,)."""
        placed = partitions_of([key or b"" for key in records.keys], self.partitions)
        return np.bincount(placed, minlength=self.partitions)


@cache
def _recorded() -> tuple[str, list[_Engagement]]:
    log = logs.higgs()
    decode = msgspec.json.Decoder(_Engagement).decode
    return log.source, [decode(value) for block in log.blocks for value in block.values]


def _time_of(place: int) -> int:
    """Return when the event at a place in the log happened, epoch s."""
    recorded = _recorded()[1]
    again, which = divmod(place, len(recorded))
    span_s = recorded[-1].at - recorded[0].at + 1
    return recorded[which].at + again * span_s


@cache
def _named(prefix: str, partitions: int) -> list[bytes]:
    """Return a name for each partition that Kafka places there."""
    names: dict[int, bytes] = {}
    for number in count():
        name = f"{prefix}{number}".encode()
        names.setdefault(int(partitions_of([name], partitions)[0]), name)
        if len(names) == partitions:
            return [names[p] for p in range(partitions)]
    raise AssertionError("unreachable")


def _events(first: int, end: int, keyed_by: str) -> Records:
    recorded = _recorded()[1]
    keys: list[bytes | None] = []
    values: list[bytes] = []
    for place in range(first, end):
        e = recorded[place % len(recorded)]
        kind, actor, at = e.kind, e.actor, _time_of(place)
        if place % 16 == 5:
            kind, actor = "tweet", e.author
        elif place % 8 == 3:
            kind = "like"
        if place % 32 == 7:
            at -= _LATE_S
        keys.append((e.author if keyed_by == AUTHOR else actor).encode())
        if place % 1000 == 499:
            values.append(BROKEN[place // 1000 % len(BROKEN)])
        else:
            values.append(
                b'{"id":"event-%d","kind":"%b","actor":"%b","author":"%b","at":%d}'
                % (place, kind.encode(), actor.encode(), e.author.encode(), at)
            )
    return Records(keys, values)
