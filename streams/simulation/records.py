"""Events as they go to Kafka: columns of a window become JSON, in time order."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, fields

import msgspec
import numpy as np

from streams.simulation.population import Population
from streams.simulation.posts import Floats, Ints

_KINDS = ("tweet", "like", "share", "reply")
_LIKE = 1
_UNDONE_RATIO = 0.01  # of the likes
_UNDO_AFTER_S = 20.0


class Event(msgspec.Struct, omit_defaults=True):
    """One record on the input topic; `at` and `actor_since` are epoch seconds."""

    id: str
    kind: str
    actor: str
    author: str
    post: str
    at: float
    tags: list[str]
    actor_since: float
    network: str
    undo: bool = False


@dataclass(slots=True)
class Happenings:
    """Columns of events: when, kind number, account numbers, the author's post number, index of the tags."""

    at: Floats
    kind: Ints
    actor: Ints
    author: Ints
    post: Ints
    tags: Ints

    @classmethod
    def in_order(cls, parts: list[Happenings]) -> Happenings:
        """Join `parts` in the order of time."""
        columns = [np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(cls)]
        order = np.argsort(columns[0], kind="stable")
        return cls(*(column[order] for column in columns))


class Writer:
    """Numbers the events and writes them; now and then takes a like back some time later."""

    def __init__(self, population: Population, seed: int, start_time: float, rng: np.random.Generator) -> None:
        self._population = population
        self._keys = [name.encode() for name in population.names]
        # Start and seed make the ids of two runs differ: equal ids would count as duplicates.
        self._run = f"{seed:x}.{int(start_time * 1000):x}"
        self._rng = rng
        self._written = 0
        self._undos: list[tuple[float, int, bytes, Event]] = []  # (due, tie-breaker, key, event)
        self._encode = msgspec.json.Encoder().encode

    def write(self, happened: Happenings, until: float) -> tuple[list[bytes], list[bytes]]:
        """Return keys and JSON of the window that ends at `until`; undos that are due come last, with their original's `at`."""
        p, run, encode = self._population, self._run, self._encode
        names, since, networks, tag_choices = p.names, p.since, p.networks, p.tag_choices
        undone = ((happened.kind == _LIKE) & (self._rng.random(len(happened.kind)) < _UNDONE_RATIO)).tolist()
        keys, values = [], []
        columns = (happened.kind, happened.actor, happened.author, happened.post, np.round(happened.at, 3), happened.tags)
        rows = zip(*(column.tolist() for column in columns), undone, strict=True)
        for number, (kind, actor, author, post, at, tags, is_undone) in enumerate(rows, self._written):
            event = Event(
                f"{run}.{number}", _KINDS[kind], names[actor], names[author], f"{names[author]}/{run}.{post}",
                at, tag_choices[tags], since[actor], networks[actor],
            )  # fmt: skip
            keys.append(self._keys[actor])
            values.append(encode(event))
            if is_undone:
                due = at + float(self._rng.exponential(_UNDO_AFTER_S))
                heapq.heappush(self._undos, (due, number, self._keys[actor], event))
        self._written += len(undone)
        while self._undos and self._undos[0][0] < until:
            _, _, key, event = heapq.heappop(self._undos)
            event.undo = True
            keys.append(key)
            values.append(encode(event))
        return keys, values
