"""The events of a schedule: few people, so that they meet; with everything an input may hold."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from faust.types import TP

from streams.columns.placement import partitions_of
from streams.columns.texts import Texts

from .log import Log
from .plan import Plan
from .world import EPOCH_S, World

_POISON = (
    None,
    b"",
    b"{",
    b"[1]",
    b'{"id":"x"}\n{"id":"y"}',
    b"\xff\xfe",
    b'{"id":"p","kind":"like","actor":"a","author":"b","at":-1}',
)
_KINDS = ("tweet", "like", "like", "share", "reply")


@cache
def _home(actor: str, partitions: int) -> int:
    return int(partitions_of(Texts.of([actor.encode()]), partitions)[0])


class Events:
    """Makes records and has them appended over the span of a schedule."""

    def __init__(self, world: World, plan: Plan, log: Log) -> None:
        self._world, self._plan, self._log = world, plan, log
        self._sent: list[tuple[TP, dict[str, Any]]] = []
        self._topics = plan.settings().topic_names

    def arrange(self) -> None:
        """Have all events appended in their time: some alone, some many at once."""
        rng, left = self._world.rng, self._plan.events
        while left:
            many = min(left, rng.choice([1, 1, 2, 5, 20]))
            left -= many
            self._world.at(rng.uniform(0, self._plan.span_s), lambda many=many: [self._append() for _ in range(many)])

    def _append(self) -> None:
        tp, value = self._next()
        offset = self._log.append(tp, [None], [value])
        self._world.note("event %s[%d]@%d: %s", *tp, offset, value)

    def _next(self) -> tuple[TP, bytes | None]:
        world, plan, rng = self._world, self._plan, self._world.rng
        if world.chance(plan.poison):
            return TP(rng.choice(self._topics), rng.randrange(plan.partitions)), rng.choice(_POISON)
        if self._sent and world.chance(plan.twice):
            back = self._sent[-5:] if world.chance(0.5) else self._sent
            tp, event = rng.choice(back)
            if world.chance(0.1):
                tp = TP(rng.choice(self._topics), tp.partition)  # in another topic it is another event
            return tp, json.dumps(event).encode()
        if self._sent and world.chance(plan.undo):
            tp, event = rng.choice(self._sent)
            event = {**event, "undo": not event.get("undo", False)}
        else:
            event = self._event()
            tp = self._place(event["actor"])
        self._sent.append((tp, event))
        return tp, json.dumps(event).encode()

    def _event(self) -> dict[str, Any]:
        world, plan, rng = self._world, self._plan, self._world.rng
        kind, actor = rng.choice(_KINDS), f"p{rng.randrange(plan.people)}"
        author = actor if kind == "tweet" or world.chance(0.03) else f"p{rng.randrange(min(plan.people, 5))}"
        at = EPOCH_S + world.now_s
        if world.chance(0.2):
            at += rng.choice([-1.0, -3600.0, -40 * 86400.0, 5.0])
        event: dict[str, Any] = {"id": f"e{len(self._sent)}", "kind": kind, "actor": actor, "author": author, "at": round(at, 3)}
        if world.chance(plan.tags):
            event["tags"] = rng.choice([["x"], ["x", "y@z"]])
        return event

    def _place(self, actor: str) -> TP:
        plan, rng = self._plan, self._world.rng
        home = _home(actor, plan.partitions)
        if self._world.chance(0.03):
            home = rng.randrange(plan.partitions)
        return TP(rng.choice(self._topics), home)
