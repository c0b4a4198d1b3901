"""Alerter: scores in, alerts out. Judges each change by the rules, and looks at boards that rules are about, as readers see them.

It takes what the publisher takes, one change after the other and not coalesced. A scores offset is committed only when its alerts
are written, and Redis writes each once, so a crash neither swallows nor repeats one. Redis away only makes alerts wait.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson
import redis

from agents.host import Host
from streams import entities
from streams.alerts.judging import Alert, judge
from streams.alerts.places import Place, explained, looked, without
from streams.alerts.rules import Rule
from streams.columns.placement import partitions_of
from streams.reader.scale import influence, score_of
from streams.redis.feed import Feed
from streams.redis.forgetting import ALERTS
from streams.tables import reasons
from streams.tables.score_records import ScoreRecord

_log = logging.getLogger("cloutstream")
LOOK_INTERVAL_S = 1.0
LONGEST_PAUSE_S = 2.0
MOST_PER_WRITE = 1000
CHANGES_LOOKED_AT = 1000  # newest change events of a partition in which the causes of an entry are looked for


class Alerter:
    """The alerter of all owned partitions."""

    def __init__(self, app: Host) -> None:
        self.app = app
        self._is_ready = False  # the rules are read
        self._unjudged: dict[int, deque[tuple[int, bytes, ScoreRecord]]] = {}  # by partition, in order of offsets
        self._unwritten: dict[int, deque[tuple[int, Alert]]] = {}
        self._rules = app.control.rules
        self._reached: set[str] = set()  # goals that Redis was told of, since the rules last changed
        self._work = asyncio.Event()
        self._looked_at_s = 0.0
        self._erased = ""  # whose alerts were taken out, as a fingerprint

    def take(self, partition: int, key: bytes, offset: int, record: ScoreRecord) -> None:
        """Take a score record that the publisher took; it is judged at once when the rules are known."""
        if self._is_ready:
            self._judge(partition, offset, key, record)
        else:
            self._unjudged.setdefault(partition, deque()).append((offset, key, record))

    def _judge(self, partition: int, offset: int, key: bytes, record: ScoreRecord) -> None:
        rules = self.app.control.rules
        if not rules.on_changes or (record.change is None and key not in rules.goals):
            return
        if rules is not self._rules:
            self._rules = rules
            self._reached.clear()
        for alert in judge(rules.on_changes, record, self.app.settings):
            if alert.id not in self._reached:
                self._unwritten.setdefault(partition, deque()).append((offset, alert))
                self._work.set()

    async def _read_rules(self) -> None:
        """Wait until the rules are read, and judge what waited for them."""
        await self.app.control.read()
        self._is_ready = True
        unjudged, self._unjudged = self._unjudged, {}
        for partition, records in unjudged.items():
            for offset, key, record in records:
                self._judge(partition, offset, key, record)

    def forget(self, partition: int) -> None:
        """Let go of what came of a partition, which is somebody else's now.

        The publisher says when: it lets go of its own at the same moment, so that what comes again is taken by both or by none.
        """
        self._unjudged.pop(partition, None)
        self._unwritten.pop(partition, None)

    def done(self, partition: int, upto: int) -> int:
        """Return how far a partition's scores need no more from here, at most `upto`."""
        waiting = [queue[0][0] for queue in (self._unjudged.get(partition), self._unwritten.get(partition)) if queue]
        return min(upto, *waiting) if waiting else upto

    def waiting(self) -> int:
        """Return how many alerts wait to be written."""
        return sum(map(len, self._unwritten.values()))

    async def run(self) -> None:
        """Write alerts and look at boards, for ever; pauses grow while Redis is away."""
        feed, pause_s = self.app.new_feed(), 0.0
        try:
            await self._read_rules()
            while True:
                try:
                    await self._step(feed)
                    pause_s = 0.0
                except (redis.RedisError, OSError) as e:
                    if not pause_s:
                        _log.warning("Redis is away or refuses writes (%s): %d alerts wait", e, self.waiting())
                    pause_s = min(LONGEST_PAUSE_S, pause_s * 2 + 0.1)
                    await asyncio.sleep(pause_s)
        finally:
            await feed.close()

    async def _step(self, feed: Feed) -> None:
        self._work.clear()
        for p in sorted(self.app.owned.intersection(self._unwritten)):
            await self._write(feed, p)
        now_s = self.app.clock.monotonic()
        # One worker looks: who has the first partition.
        looks = 0 in self.app.owned and now_s - self._looked_at_s >= LOOK_INTERVAL_S
        await self._erase(feed, looks)
        if looks:
            self._looked_at_s = now_s
            for rule in self.app.control.rules.tops:
                await self._look(feed, rule)
        try:
            await asyncio.wait_for(self._work.wait(), LOOK_INTERVAL_S)
        except TimeoutError:
            return

    async def _write(self, feed: Feed, partition: int) -> None:
        queue = self._unwritten[partition]
        while queue:
            part = [queue[i][1] for i in range(min(len(queue), MOST_PER_WRITE))]
            written = await feed.write(self._named_out(part), self.app.control.forgotten.fingerprint)
            self.app.counters.alerts += written
            self._reached.update(alert.id for alert in part if not alert.kept_s)
            for _ in part:
                queue.popleft()
        if self._unwritten.get(partition) is queue:
            del self._unwritten[partition]

    def _named_out(self, alerts: list[Alert]) -> list[Alert]:
        """Return alerts that are of nobody forgotten, and name none."""
        forgotten = self.app.control.forgotten
        if not forgotten:
            return alerts
        kept = []
        for alert in alerts:
            if not forgotten.has(alert.entity.encode()):
                kept.append(replace(alert, body=orjson.dumps(self._without_causes(orjson.loads(alert.body)))))
        return kept

    def _without_causes(self, alert: dict[str, Any]) -> dict[str, Any]:
        """Return an alert in whose causes somebody forgotten counts among the others."""
        return {**alert, "causes": reasons.without(alert["causes"], self.app.control.forgotten.has_account)}

    async def _erase(self, feed: Feed, looks: bool) -> None:
        """Take who is forgotten out of the alerts there are. Each worker does: one may hear of it later and have written more.

        Should it not live to do that, who looks does: Redis noted it with the write, as for partitions (`Discretion.erase`).
        """
        forgotten, eraser = self.app.control.forgotten, feed.eraser
        if forgotten.fingerprint == self._erased and not (looks and await eraser.due([ALERTS], forgotten)):
            return
        begun = await eraser.begin([ALERTS], forgotten)
        await eraser.erase_alerts(forgotten)
        await eraser.end([ALERTS], forgotten, begun)
        self._erased = forgotten.fingerprint

    async def _look(self, feed: Feed, rule: Rule) -> None:
        """Say who entered or left the first places of a board, unless another worker just did or a rebuild is under way."""
        s, knows = self.app.settings, self.app.control.forgotten.fingerprint
        client: Any = feed.client  # redis-py types answers as whatever any of its versions gives
        if not await client.exists(f"{s.redis_prefix}epoch"):
            return
        before = await feed.taken_top(rule.id)
        now_s = await self._now(feed)
        hidden, is_gone = self._left_out(rule)
        # The hidden ones are on the board; it is their places that readers don't see.
        last = rule.n + len(hidden) - 1
        board = await client.zrange(f"{s.redis_prefix}board:{rule.scope}:standing", 0, last, desc=True, withscores=True)
        places = [Place(member.decode(), round(score_of(influence(key, now_s, s.half_life_slow_s)), 4)) for member, key in board]
        places = [place for place in places if not is_gone(place.member)][: rule.n]
        known = without(before, is_gone)
        found = looked(rule, known, places, now_s)
        if found is None:
            if known != before:
                await feed.take_top(rule.id, before, known, [], knows)
            return
        alerts = [self._without_causes(await self._explained(feed, alert)) for alert in found.alerts.values()]
        if await feed.take_top(rule.id, before, found.taken, [orjson.dumps(alert) for alert in alerts], knows):
            self.app.counters.alerts += len(alerts)

    def _left_out(self, rule: Rule) -> tuple[frozenset[str], Callable[[str], bool]]:
        """Return who is hidden on a rule's board, and who isn't looked at there: those, and whoever is forgotten."""
        if rule.scope in ("topics", "campaigns"):  # tags and campaigns are neither
            return frozenset(), lambda _: False
        hidden, forgotten = self.app.control.state.hidden, self.app.control.forgotten
        return hidden, lambda member: member in hidden or forgotten.has_account(member)

    async def _now(self, feed: Feed) -> float:
        s = self.app.settings
        if s.clock != "event":
            return self.app.clock.time()
        client: Any = feed.client
        held = await client.hget(f"{s.redis_prefix}clock", "now")
        return float(held) if held else self.app.clock.time()

    async def _explained(self, feed: Feed, alert: dict[str, object]) -> dict[str, object]:
        if not alert["entered"]:
            return alert
        placed = entities.placed_by(str(alert["entity"])).encode()
        (partition,) = partitions_of([placed], self.app.settings.partitions).tolist()
        key = f"{self.app.settings.redis_prefix}changes:{partition}"
        client: Any = feed.client
        entries = await client.xrevrange(key, count=CHANGES_LOOKED_AT)
        return explained(alert, [fields[b"json"] for _, fields in entries])


def add_alerter(app: Host) -> Alerter:
    """Add the alerter to an app; the publisher hands it what it takes."""
    alerter = Alerter(app)
    app.endless("alerting", alerter.run)
    return alerter
