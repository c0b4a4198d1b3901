"""Boards, scores and counts as they stand now, read from what the publisher keeps in Redis.

Nothing in Redis is rewritten as time passes: a board's sort key is constant while an account is idle, and a reader turns
it into today's score. "Now" is the wall clock, or for recorded data the newest event time (`cs:clock`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import redis

from streams import entities
from streams.redis.records import Score, Standing, Stats
from streams.redis.scale import PROVISIONAL_BELOW_REACH, error_of, fade, influence, parts, score_of
from streams.settings import Settings

BOARDS = ("standing", "trending")
PAGE = 500  # entities per round trip: keeps one reply below 100 KB
_SHOWN = ("plus_minus", "reach", "at", "posts", "likes", "shares", "replies")


def entity_of(member: str, scope: str) -> str:
    """Return the entity name of a board's member.

    >>> entity_of("user@host", "topic:ai")
    'account:user%40host@topic:ai'
    """
    if scope == "all":
        return entities.account(member)
    if scope == "topics":
        return entities.topic(member)
    if scope == "campaigns":
        return "campaign:" + entities.encode_id(member)
    return f"{entities.account(member)}@{scope}"


class Reader:
    """Reads through a client whose replies are bytes; `wall` is the clock used when readers go by the wall clock."""

    def __init__(self, settings: Settings, client: redis.Redis, wall: Callable[[], float] = time.time) -> None:
        self.settings = settings
        self._client = client
        self._wall = wall

    def now(self) -> float:
        """Return what readers take as now, epoch s."""
        mode, at = self._client.hmget(self._key("clock"), ["mode", "now"])
        return float(at) if mode == b"event" and at is not None else self._wall()

    def is_complete(self) -> bool:
        """Return whether everything has been published; False before the first publish and while a rebuild runs."""
        return bool(self._client.exists(self._key("epoch")))

    def size(self, scope: str = "all", board: str = "standing") -> int:
        """Return how many members a board has."""
        return self._client.zcard(self._board(scope, board))

    def top(self, scope: str = "all", board: str = "standing", n: int = 10, offset: int = 0) -> list[Standing]:
        """Return `n` places of a board from rank `offset + 1`, best first.

        Args:
            scope: `all`, `topics`, `campaigns`, `topic:TAG` or `campaign:ID` (encoded as in entity names).
            board: `standing` or `trending`.
            n: most places to return.
            offset: places to leave out at the top.
        """
        now_s, places = self.now(), []
        for start in range(offset, offset + n, PAGE):
            stop = min(start + PAGE, offset + n)
            page: Any = self._client.zrange(self._board(scope, board), start, stop - 1, desc=True, withscores=True)
            members = [(member.decode(), key) for member, key in page]
            rows = self._pipelined(("HMGET", self._score_key(entity_of(m, scope)), *_SHOWN) for m, _ in members)
            for rank, ((member, key), row) in enumerate(zip(members, rows, strict=True), start + 1):
                places.append(self._standing(rank, member, key, dict(zip(_SHOWN, row, strict=True)), board, now_s))
            if len(page) < stop - start:
                break
        return places

    def score(self, entity: str) -> Score | None:
        """Return the score of an entity name now, or None when none is kept: R and G have faded since `at`, A stands."""
        fields = {name.decode(): value for name, value in self._hash(self._score_key(entity)).items()}
        if not fields:
            return None
        at, now_s = _float(fields, "at"), self.now()
        left = fade(now_s - at, self.settings.half_life_slow_s)
        reach, network = _float(fields, "reach") * left, _float(fields, "network") * left
        amplification = _float(fields, "amplification")
        today = parts(reach, network, amplification, self.settings.network_weight)
        return Score(
            entity=entity,
            score=today.score,
            plus_minus=_float(fields, "plus_minus"),
            provisional=reach < PROVISIONAL_BELOW_REACH,
            reach=reach,
            network=network,
            amplification=amplification,
            reach_pts=today.reach_pts,
            network_pts=today.network_pts,
            amplification_pts=today.amplification_pts,
            momentum=_float(fields, "momentum"),
            posts=_count(fields, "posts"),
            likes=_count(fields, "likes"),
            shares=_count(fields, "shares"),
            replies=_count(fields, "replies"),
            at=at,
            now=now_s,
            ver=int(fields.get("ver") or 0),
        )

    def rank(self, account: str, scope: str = "all", board: str = "standing") -> int | None:
        """Return the 1-based place of a raw account id on a board, or None when it isn't on it."""
        place: Any = self._client.zrevrank(self._board(scope, board), account)
        return None if place is None else int(place) + 1

    def members(self, scope: str = "all", board: str = "standing") -> dict[str, float]:
        """Return every member of a board and its sort key, in no order; a board that changes meanwhile may be mixed in time."""
        return {member.decode(): key for member, key in self._client.zscan_iter(self._board(scope, board), count=1000)}

    def partition_stats(self) -> dict[int, dict[str, str]]:
        """Return `cs:stats:<p>` of every partition that has one, as published."""
        numbers = range(self.settings.partitions)
        rows = self._pipelined(("HGETALL", self._key(f"stats:{p}")) for p in numbers)
        return {p: {k.decode(): v.decode() for k, v in row.items()} for p, row in zip(numbers, rows, strict=True) if row}

    def stats(self) -> Stats:
        """Return the counts of all partitions together."""
        return Stats.total(self.partition_stats().values())

    def _standing(
        self, rank: int, member: str, key: float, row: Mapping[str, bytes | None], board: str, now_s: float
    ) -> Standing:
        settings = self.settings
        is_standing = board == "standing"
        counted = influence(key, now_s, settings.half_life_slow_s if is_standing else settings.half_life_fast_s)
        reach = _float(row, "reach") * fade(now_s - _float(row, "at"), settings.half_life_slow_s)
        return Standing(
            rank=rank,
            account=member,
            score=score_of(counted),
            # The hash holds the error of the standing score; a trending score is a count of its own.
            plus_minus=_float(row, "plus_minus") if is_standing else error_of(counted, settings.overdispersion),
            reach=reach,
            posts=_count(row, "posts"),
            likes=_count(row, "likes"),
            shares=_count(row, "shares"),
            replies=_count(row, "replies"),
            provisional=reach < PROVISIONAL_BELOW_REACH,
        )

    def _key(self, name: str) -> str:
        return self.settings.redis_prefix + name

    def _board(self, scope: str, board: str) -> str:
        return self._key(f"board:{scope}:{board}")

    def _score_key(self, entity: str) -> str:
        return self._key(f"score:{entity}")

    def _hash(self, key: str) -> dict[bytes, bytes]:
        found: Any = self._client.hgetall(key)
        return dict(found)

    def _pipelined(self, commands: Iterable[tuple[str, ...]]) -> list[Any]:
        pipe: Any = self._client.pipeline(transaction=False)
        for command in commands:
            pipe.execute_command(*command)
        return list(pipe.execute())


def _float(fields: Mapping[str, bytes | None], name: str) -> float:
    return float(fields.get(name) or 0.0)


def _count(fields: Mapping[str, bytes | None], name: str) -> int:
    # An undo that came without its original leaves a count below nothing; it is kept so, and shown as nothing.
    return max(0, int(fields.get(name) or 0))
