"""What each method of the readers asks Redis and makes of the replies. Both readers run these; neither knows more."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import orjson

from streams import entities
from streams.control.campaigns import Campaign as Definition
from streams.reader.boards import Boards
from streams.reader.campaigns import Campaign, definition_of, progress_of, shares_of_voice, totals_of
from streams.reader.changes import ScoreChange, alert_of, changes_of
from streams.reader.cursor import Cursor, Start
from streams.reader.plan import Command, Plan
from streams.reader.records import Page, Point, Rank, Score, Stats
from streams.reader.scale import PROVISIONAL_BELOW_REACH, error_from, fade, outranks, parts
from streams.reader.weights import Weights
from streams.settings import Settings

Fields = Mapping[bytes, bytes]


class Queries:
    """The plans of one deployment; `wall` is the clock used when readers go by the wall clock."""

    def __init__(self, settings: Settings, wall: Callable[[], float]) -> None:
        self._settings = settings
        self._boards = Boards(settings, wall)
        self._clock = ("HMGET", self._key("clock"), "mode", "now")

    def now(self) -> Plan[float]:
        """What readers take as now."""
        (clock,) = yield [self._clock]
        return self._boards.now_of(*clock)

    def is_complete(self) -> Plan[bool]:
        """Whether everything has been published."""
        (found,) = yield [("EXISTS", self._key("epoch"))]
        return bool(found)

    def size(self, scope: str, board: str) -> Plan[int]:
        """How many visible members a board has."""
        return (yield from self._boards.found(scope, board, 0, 0)).size

    def top(self, scope: str, board: str, n: int, offset: int, weights: Weights | None) -> Plan[Page]:
        """Places of a board."""
        if n < 0 or offset < 0:
            raise ValueError(f"n is {n} and offset {offset}; expected whole numbers from 0 up")
        if weights is None:
            return (yield from self._boards.top(scope, board, n, offset))
        if board != "standing":
            raise ValueError(f"other weights on the board {board!r}; expected 'standing': a trending score has no parts")
        return (yield from self._boards.weighted(scope, n, offset, weights))

    def around(self, account: str, n: int, scope: str, board: str) -> Plan[Page]:
        """Places around an account."""
        if n < 0:
            raise ValueError(f"n is {n}; expected a whole number from 0 up")
        return (yield from self._boards.around(account, n, scope, board))

    def rank(self, account: str, scope: str, board: str) -> Plan[Rank | None]:
        """An account's place."""
        found = yield from self._boards.found(scope, board, 0, 0, account)
        if not found.places:
            return None
        ties = found.size - found.above - found.below - 1
        return Rank(account, found.above + 1, ties, found.size, 100 * found.below / found.size)

    def score(self, entity: str, weights: Weights | None) -> Plan[Score | None]:
        """One score."""
        clock, fields = yield [self._clock, ("HGETALL", self._score_key(entity))]
        return self._score(entity, fields, self._boards.now_of(*clock), weights)

    def outranks(self, a: str, b: str) -> Plan[float | None]:
        """How sure it is that one is above the other."""
        clock, *rows = yield [self._clock, ("HGETALL", self._score_key(a)), ("HGETALL", self._score_key(b))]
        now_s = self._boards.now_of(*clock)
        first, second = (self._score(entity, row, now_s, None) for entity, row in zip((a, b), rows, strict=True))
        return None if first is None or second is None else outranks(first, second)

    def why(self, entity: str, n: int | None) -> Plan[list[dict[str, Any]]]:
        """Statements of why a score moved."""
        (found,) = yield [self._newest(f"why:{entity}", n)]
        return [orjson.loads(text) for text in found]

    def history(self, entity: str, n: int | None) -> Plan[list[Point]]:
        """Points of a chart."""
        (found,) = yield [self._newest(f"history:{entity}", n)]
        return [Point(*orjson.loads(text)) for text in found]

    def campaigns(self, defined: Iterable[Definition] | None) -> Plan[list[Campaign]]:
        """All campaigns."""
        clock, published = yield [self._clock, ("HGETALL", self._key("campaigns"))]
        if defined is None:
            defined = [definition_of(name.decode(), text) for name, text in published.items()]
        campaigns = sorted(defined, key=lambda campaign: campaign.name)
        replies = yield [command for campaign in campaigns for command in self._gathered(campaign.entity)]
        now_s = self._boards.now_of(*clock)
        scores = [self._score(c.entity, row, now_s, None) for c, row in zip(campaigns, replies[::3], strict=True)]
        totals = [
            totals_of(score, int(people or 0), map(orjson.loads, minutes), now_s, campaign.starts_s)
            for campaign, score, people, minutes in zip(campaigns, scores, replies[1::3], replies[2::3], strict=True)
        ]
        shares = shares_of_voice(campaigns, [total.engagements for total in totals], now_s)
        return [
            Campaign(c, score, total, share, progress_of(c.goal, total, now_s) if c.goal else None, now_s)
            for c, score, total, share in zip(campaigns, scores, totals, shares, strict=True)
        ]

    def _gathered(self, entity: str) -> list[Command]:
        return [
            ("HGETALL", self._score_key(entity)),
            ("ZSCORE", self._key("people"), entity),
            ("LRANGE", self._key(f"minutes:{entity}"), 0, -1),
        ]

    def alerts(self, n: int) -> Plan[list[dict[str, Any]]]:
        """The newest alerts."""
        (found,) = yield [("XREVRANGE", self._key("alerts"), "+", "-", "COUNT", n)]
        return [orjson.loads(fields[b"json"]) for _, fields in found]

    def hidden(self) -> Plan[set[str]]:
        """Accounts that no board shows."""
        (found,) = yield [("SMEMBERS", self._key("hidden"))]
        return {account.decode() for account in found}

    def partition_stats(self) -> Plan[dict[int, dict[str, str]]]:
        """Counts of every partition that has some."""
        rows = yield [("HGETALL", self._key(f"stats:{p}")) for p in range(self._settings.partitions)]
        return {p: {k.decode(): v.decode() for k, v in row.items()} for p, row in enumerate(rows) if row}

    def stats(self) -> Plan[Stats]:
        """Counts of all partitions together."""
        return Stats.total((yield from self.partition_stats()).values())

    def changes(self, scope: str | None, accounts: Collection[str] | None, start: Start) -> Cursor[ScoreChange]:
        """A place in the change feed."""
        names = [f"changes:{p}" for p in range(self._settings.partitions)]
        return Cursor(self._settings.redis_prefix, names, start, changes_of(scope, accounts))

    def alerts_from(self, start: Start) -> Cursor[dict[str, Any]]:
        """A place among the alerts."""
        return Cursor(self._settings.redis_prefix, ["alerts"], start, alert_of)

    def _newest(self, name: str, n: int | None) -> Command:
        if n is not None and n < 1:
            raise ValueError(f"n is {n}; expected a whole number from 1 up, or None for all")
        return ("LRANGE", self._key(name), 0, -1 if n is None else n - 1)

    def _key(self, name: str) -> str:
        return self._settings.redis_prefix + name

    def _score_key(self, entity: str) -> str:
        entities.parse(entity)  # a raw id would quietly have no score
        return self._key(f"score:{entity}")

    def _score(self, entity: str, fields: Fields, now_s: float, weights: Weights | None) -> Score | None:
        if not fields:
            return None
        usual = Weights(network=self._settings.network_weight)
        at = _float(fields, b"at")
        left = fade(now_s - at, self._settings.half_life_slow_s)
        then = (_float(fields, b"reach"), _float(fields, b"network"), _float(fields, b"amplification"))
        reach, network, amplification = then[0] * left, then[1] * left, then[2]
        today = parts(reach, network, amplification, weights or usual)
        plus_minus = _float(fields, b"plus_minus")
        if weights is not None:
            plus_minus = error_from(plus_minus, usual.influence(*then), weights.influence(*then))
        return Score(
            entity=entity,
            score=today.score,
            plus_minus=plus_minus,
            provisional=reach < PROVISIONAL_BELOW_REACH,
            reach=reach,
            network=network,
            amplification=amplification,
            reach_pts=today.reach_pts,
            network_pts=today.network_pts,
            amplification_pts=today.amplification_pts,
            momentum=_float(fields, b"momentum"),
            posts=_count(fields, b"posts"),
            likes=_count(fields, b"likes"),
            shares=_count(fields, b"shares"),
            replies=_count(fields, b"replies"),
            at=at,
            now=now_s,
            ver=int(fields.get(b"ver") or 0),
        )


def _float(fields: Fields, name: bytes) -> float:
    return float(fields.get(name) or 0.0)


def _count(fields: Fields, name: bytes) -> int:
    # An undo that came without its original leaves a count below nothing; it is kept so, and shown as nothing.
    return max(0, int(fields.get(name) or 0))
