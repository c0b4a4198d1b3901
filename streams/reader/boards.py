"""Reading a board: pages with ranks, the page around an account, and a board ranked by other weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import msgspec

from streams.reader.plan import Plan, call_script
from streams.reader.records import Page, Standing
from streams.reader.scale import PROVISIONAL_BELOW_REACH, error_from, error_of, fade, influence, score_of
from streams.reader.weights import Weights
from streams.settings import Settings

BOARDS = ("standing", "trending")
PAGE = 500  # places per round trip: the script holds up the server for about 2 ms
CANDIDATES = 5000  # places of the standing board that other weights are tried on
# R, G and A are published with four decimals; what is proven must not rest on the last of them.
_PROOF_SLACK = 1.001
_decode = msgspec.msgpack.Decoder(tuple[Any, Any, int, int, int, int, list[list[Any]]]).decode


@dataclass(frozen=True, slots=True)
class Place:
    """A member of a board as Redis holds it: its sort key, and R, G and A as of `at`, epoch s."""

    member: str
    key: float
    plus_minus: float
    reach: float
    network: float
    amplification: float
    at: float
    posts: int
    likes: int
    shares: int
    replies: int


@dataclass(frozen=True, slots=True)
class Found:
    """What the script found: `above` and `below` count the visible members that have not the first's or the last's influence."""

    now_s: float
    size: int
    offset: int
    above: int
    below: int
    places: Sequence[Place]


@dataclass(frozen=True, slots=True)
class Boards:
    """The boards of a deployment; `wall` is the clock used when readers go by the wall clock."""

    settings: Settings
    wall: Callable[[], float]

    def now_of(self, mode: Any, at: Any) -> float:
        """Return what readers take as now, epoch s, from the two fields of `cs:clock`."""
        return float(at) if mode in (b"event", "event") and at else self.wall()

    def found(self, scope: str, board: str, offset: int, n: int, member: str = "") -> Plan[Found]:
        """Read visible places from `offset`, or with a `member` up to `n` above and below it."""
        if board not in BOARDS:
            raise ValueError(f"no board {board!r}; expected {' or '.join(BOARDS)}")
        prefix = self.settings.redis_prefix
        (packed,) = yield [call_script(prefix, scope, board, offset, n, member)]
        mode, at, size, offset, above, below, rows = _decode(packed)
        return Found(self.now_of(mode, at), size, offset, above, below, [_place(row) for row in rows])

    def top(self, scope: str, board: str, n: int, offset: int) -> Plan[Page]:
        """Read `n` places from `offset`."""
        places: list[Standing] = []
        while True:
            part = min(PAGE, n - len(places))
            found = yield from self.found(scope, board, offset + len(places), part)
            places += self.standings(found, board)
            if len(found.places) < part or len(places) >= n:
                return Page(places, found.size, found.now_s)

    def around(self, account: str, n: int, scope: str, board: str) -> Plan[Page]:
        """Read up to `n` places above an account and below it."""
        found = yield from self.found(scope, board, 0, n if n <= PAGE else 0, account)
        if n <= PAGE or not found.places:
            return Page(self.standings(found, board), found.size, found.now_s)
        first = max(0, found.offset - n)
        return (yield from self.top(scope, board, found.offset - first + 1 + n, first))

    def standings(self, found: Found, board: str) -> Iterator[Standing]:
        """Yield the places of a page with rank and percentile."""
        is_standing = board == "standing"
        half_life_s = self.settings.half_life_slow_s if is_standing else self.settings.half_life_fast_s
        keys = [place.key for place in found.places]
        for place, rank, percentile in zip(found.places, _ranks(found, keys), _percentiles(found, keys), strict=True):
            counted = influence(place.key, found.now_s, half_life_s)
            # The hash holds the error of the standing score; a trending score is a count of its own.
            plus_minus = place.plus_minus if is_standing else error_of(counted, self.settings.overdispersion)
            yield self._standing(place, found.now_s, rank, counted, plus_minus, percentile)

    def weighted(self, scope: str, n: int, offset: int, weights: Weights) -> Plan[Page]:
        """Read `n` places from `offset` of the standing board as other weights rank it; see `Reader.top`."""
        wanted, held = offset + n, dict[str, tuple[float, Place]]()
        limit = max(CANDIDATES, 4 * wanted)
        read = 0
        while True:
            found = yield from self.found(scope, "standing", read, PAGE)
            read += len(found.places)
            for place in found.places:
                left = fade(found.now_s - place.at, self.settings.half_life_slow_s)
                held[place.member] = (weights.influence(place.reach, place.network, place.amplification) * left, place)
            # By influence and then by id, as the boards do it.
            ranked = sorted(held.values(), key=lambda entry: (entry[0], entry[1].member), reverse=True)
            is_whole = len(found.places) < PAGE
            is_proven = is_whole or (len(ranked) >= wanted and ranked[wanted - 1][0] >= self._most_left(found, weights))
            if is_proven or read >= limit:
                places = self._reranked(ranked, offset, n, found.now_s, weights)
                return Page(places, found.size, found.now_s, is_exact=is_proven)

    def _most_left(self, found: Found, weights: Weights) -> float:
        """Return the most influence by `weights` of anybody below the last place."""
        standing = influence(found.places[-1].key, found.now_s, self.settings.half_life_slow_s)
        return weights.most(standing, self.settings.network_weight) * _PROOF_SLACK

    def _reranked(
        self, ranked: Sequence[tuple[float, Place]], offset: int, n: int, now_s: float, weights: Weights
    ) -> Iterator[Standing]:
        usual = Weights(network=self.settings.network_weight)
        rank, before = 0, -1.0
        for number, (counted, place) in enumerate(ranked[: offset + n], 1):
            rank, before = (rank if counted == before else number), counted
            if number > offset:
                was, then = (w.influence(place.reach, place.network, place.amplification) for w in (usual, weights))
                yield self._standing(place, now_s, rank, counted, error_from(place.plus_minus, was, then), None)

    def _standing(
        self, place: Place, now_s: float, rank: int, counted: float, plus_minus: float, percentile: float | None
    ) -> Standing:
        reach = place.reach * fade(now_s - place.at, self.settings.half_life_slow_s)
        return Standing(
            rank=rank,
            account=place.member,
            score=score_of(counted),
            plus_minus=plus_minus,
            reach=reach,
            posts=place.posts,
            likes=place.likes,
            shares=place.shares,
            replies=place.replies,
            provisional=reach < PROVISIONAL_BELOW_REACH,
            percentile=percentile,
        )


def _place(row: list[Any]) -> Place:
    # What isn't there is false. A count below nothing (an undo came without its original) is kept so, and shown as nothing.
    decimals = [float(value or 0.0) for value in row[1:7]]
    counts = [max(0, int(value or 0)) for value in row[7:]]
    return Place(row[0], *decimals, *counts)  # type: ignore[arg-type]  # six floats, four integers


def _ranks(found: Found, keys: Sequence[float]) -> Iterator[int]:
    """Yield ranks in which equal keys share the first one's."""
    rank = found.above + 1
    for i, key in enumerate(keys):
        if i and key != keys[i - 1]:
            rank = found.offset + i + 1
        yield rank


def _percentiles(found: Found, keys: Sequence[float]) -> list[float]:
    """Return how much of the board stands below each place, 0 to 100."""
    below = [found.below] if keys else []
    for i, (key, worse) in reversed(list(enumerate(pairwise(keys)))):
        below.append(below[-1] if key == worse else found.size - found.offset - i - 1)
    return [100 * count / found.size for count in reversed(below)]
