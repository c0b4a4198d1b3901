"""What a rule would have said: the engagements that Kafka still has are folded once more, from nothing, and judged by it.

The code is that of the workers, in steps of event time instead of their tick. What was before the oldest engagement retained
isn't known: accounts begin as new ones, which have no usual pace at first and whose scores rise from 1.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import orjson

from streams import entities
from streams.alerts.judging import Alert, judge
from streams.alerts.places import Place, looked
from streams.alerts.rules import Rule
from streams.control.state import ControlState
from streams.events.engagements import Engagements, decode
from streams.kafka.reading import read_topic
from streams.reader.scale import influence, score_of
from streams.settings import Settings
from streams.tables.entity_rows import EntityRows
from streams.tables.flush import flush_pieces
from streams.tables.fold import fold
from streams.tables.forgotten import NOBODY, Forgotten
from streams.tables.score_records import NUMBERS, ScoreRecord

STEP_S = 30.0
_STANDING = NUMBERS.index("standing")
Show = Callable[[str, float, float], None]


def would_have_said(
    settings: Settings, control: ControlState, rule: Rule, since_s: float, progress: Show = lambda *_: None
) -> Iterator[dict[str, Any]]:
    """Yield the alerts that a rule would have written, by event time, those since `since_s`.

    Who is hidden now stands on no board, and who is forgotten now is in no alert, whenever that was.

    Raises:
        ServiceUnavailable: Kafka can't be reached.
        ConfigurationError: there is no such topic.
    """
    topic = settings.engagements_topic
    # Side by side by the broker's time: a board has accounts of all partitions.
    records = heapq.merge(
        *(read_topic(settings, topic, [p]) for p in range(settings.partitions)), key=lambda record: record.timestamp
    )
    trial = Trial(settings, rule, control.hidden, Forgotten(control.forgotten))
    for done, record in enumerate(records):
        if done % 1000 == 0:
            progress("folding", done, 0)
        for alert in trial.take(decode(record.value or b""), record.offset, record.partition):
            if alert["at"] >= since_s:
                yield alert
    yield from (alert for alert in trial.step() if alert["at"] >= since_s)


class Trial:
    """A rule, and tables of its own that it is tried on.

    Args:
        settings: of the deployment.
        rule: what is tried.
        hidden: accounts that readers don't see.
        forgotten: who is named nowhere.
    """

    def __init__(
        self, settings: Settings, rule: Rule, hidden: frozenset[str] = frozenset(), forgotten: Forgotten = NOBODY
    ) -> None:
        self._settings, self._rule, self._forgotten = settings, rule, forgotten
        self._hidden = hidden if rule.scope not in ("topics", "campaigns") else frozenset()  # tags and campaigns aren't
        self.table = EntityRows(settings)
        self.table.forget(forgotten)  # in causes they count among the others
        self._held: dict[str, Alert] = {}
        self._board: dict[str, float] = {}
        self._taken = b""
        self._now_s = self._stepped_at_s = 0.0

    def take(self, record: Engagements, offset: int, partition: int) -> Iterable[dict[str, Any]]:
        """Fold a record; return alerts when a step is over."""
        fold(self.table, [record], [offset], [partition])
        self._now_s = max(self._now_s, float(record.at.max(initial=0.0)))
        return self.step() if self._now_s - self._stepped_at_s >= STEP_S else ()

    def step(self) -> list[dict[str, Any]]:
        """Flush, and return what the rule says of it."""
        self._stepped_at_s = self._now_s
        said: list[dict[str, Any]] = []
        for piece in flush_pieces(self.table, self.table.partitions):
            for record in piece.scores:
                if self._rule.kind == "top":
                    self._place(record)
                elif record.change is not None or self._rule.kind == "goal":
                    said += [orjson.loads(a.body) for a in judge([self._rule], record, self._settings) if self._is_new(a)]
        said += self._look() if self._rule.kind == "top" else []
        return [alert for alert in said if not self._forgotten.is_named_in(alert)]

    def _is_new(self, alert: Alert) -> bool:
        """Decide as `alert.lua` does."""
        held = self._held.get(alert.entity)
        if held is not None and (
            alert.since < held.version or alert.episode == held.episode or alert.at - held.at < alert.cooldown_s
        ):
            return False
        self._held[alert.entity] = alert
        return True

    def _place(self, record: ScoreRecord) -> None:
        entity = entities.parse(orjson.loads(record.name))
        if self._forgotten.has(orjson.loads(record.name).encode()) or entity.id in self._hidden:
            return
        if entities.board_scope(entity) == self._rule.scope:
            standing = record.numbers.split(",")[_STANDING]
            if standing == "null":
                self._board.pop(entity.id, None)
            else:
                self._board[entity.id] = float(standing)

    def _look(self) -> list[dict[str, Any]]:
        best = heapq.nlargest(self._rule.n, self._board.items(), key=lambda item: item[1])
        h = self._settings.half_life_slow_s
        found = looked(
            self._rule,
            self._taken,
            [Place(m, round(score_of(influence(key, self._now_s, h)), 4)) for m, key in best],
            self._now_s,
        )
        if found is None:
            return []
        self._taken = found.taken
        return list(found.alerts.values())
