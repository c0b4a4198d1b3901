"""The attacks played on a running deployment, and what their targets gained.

The log begins with a young day, goes on with ordinary ones until old accounts are trusted, and then come the attacks, each on
targets of its own. What a target gained is its score after it, less the score that it had before, faded to the same time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import chain
from math import exp2, sqrt

import redis

from benchmarks.attack_acts import (
    AT_ONCE,
    RING,
    RING_DAYS,
    RIVALS,
    SQUARE,
    YOUNG,
    Act,
    Attack,
    old_accounts,
    ring_day,
    service_day,
    smear,
)
from benchmarks.attack_log import DAY_S, START_S, Counted, ToldLog, counted_exactly
from streams.entities import account
from streams.model.scoring import SKETCH_RELATIVE_ERROR
from streams.reader import Reader, Score, Weights
from streams.reader.scale import POINTS_PER_UNIT, fade, parts
from streams.settings import Settings

ORDINARY_DAYS = 16  # an old account's trust is then 0.97
_MINUTE_S = 60.0


@dataclass(frozen=True)
class Gain:
    """What one target gained, in points.

    Attributes:
        published: by what stands in Redis.
        counted: of the same weights, with each person counted instead of a sketch.
        sampling_error: one standard deviation of `published` about `counted`.
        reach: that the target has without the attack, exactly.
    """

    published: float
    counted: float
    sampling_error: float
    reach: float


@dataclass(frozen=True)
class Smeared:
    """A rival's published score after fakes were aimed at it, and what it would be then without them."""

    rival: str
    without: float
    after: float


@dataclass
class Found:
    """What came of all attacks, by the attack's name, and of the smears; `events` is how many were sent."""

    gains: dict[str, list[Gain]] = field(default_factory=dict)
    smeared: list[Smeared] = field(default_factory=list)
    events: int = 0


def play(settings: Settings, client: redis.Redis, settle: Callable[[], None], targets: int) -> Found:
    """Play every attack on so many targets each.

    Args:
        settings: of an empty deployment by the wall clock, with a worker that runs or starts.
        client: of its Redis; replies are bytes.
        settle: returns when everything sent is published, or raises.
        targets: repetitions of each attack.
    """
    while not client.exists(f"{settings.redis_prefix}epoch"):  # until a worker runs, it hasn't looked at the topics yet
        settle()
        time.sleep(0.05)
    with ToldLog(settings, settle) as log:
        stage = _Stage(settings, client, log, range(targets))
        stage.prepare([YOUNG], START_S)
        stage.strike([YOUNG], START_S + _MINUTE_S)
        for day in range(1, ORDINARY_DAYS + 1):
            log.happen((Act("like", name, SQUARE) for k in range(targets) for name in old_accounts(k)), START_S + day * DAY_S)
        now_s = START_S + ORDINARY_DAYS * DAY_S + _MINUTE_S
        stage.prepare([*AT_ONCE, *RIVALS, RING], now_s)
        stage.strike(AT_ONCE, now_s + _MINUTE_S, service_day(targets))
        stage.smear(now_s + 2 * _MINUTE_S)
        for day in range(1, RING_DAYS + 1):
            stage.go_round(now_s + day * DAY_S)
        return stage.found()


class _Stage:
    """Targets before and after what was done to them."""

    def __init__(self, settings: Settings, client: redis.Redis, log: ToldLog, repetitions: range) -> None:
        self._settings, self._client, self._log, self._repetitions = settings, client, log, repetitions
        self._before: dict[str, Score | None] = {}
        self._after: dict[str, Score] = {}
        self._smeared: list[Smeared] = []

    def prepare(self, attacks: Iterable[Attack], at_s: float) -> None:
        """Give the targets what they have before anything is done to them."""
        attacks = list(attacks)
        self._log.happen(chain.from_iterable(a.audience(k) for a in attacks for k in self._repetitions), at_s)
        for target in self._targets(attacks):
            self._before[target] = self._read(target, at_s)

    def strike(self, attacks: Iterable[Attack], at_s: float, first: Iterable[Act] = ()) -> None:
        """Do to the targets of attacks what is done at one moment, after something else."""
        attacks = list(attacks)
        acts = (act for a in attacks for k in self._repetitions for act in a.strike(a.target(k), k))
        self._log.happen(chain(first, acts), at_s)
        self._look(attacks, at_s)

    def go_round(self, at_s: float) -> None:
        """Have a day of the rings."""
        self._log.happen(chain.from_iterable(map(ring_day, self._repetitions)), at_s)
        self._look([RING], at_s)

    def smear(self, at_s: float) -> None:
        """Aim fakes at the rivals."""
        rivals = list(self._targets(RIVALS))
        self._log.happen(chain.from_iterable(map(smear, rivals)), at_s)
        for rival in rivals:
            after = self._read(rival, at_s)
            assert after
            self._smeared.append(Smeared(rival, self._faded(rival, at_s), after.score))

    def found(self) -> Found:
        """Return what came of everything so far."""
        result = Found(smeared=self._smeared, events=self._log.events)
        counted = counted_exactly(self._settings, {target: score.now for target, score in self._after.items()})
        for target, after in self._after.items():
            name = target.rpartition("-")[0]
            result.gains.setdefault(name, []).append(self._gain(target, after, *counted[target]))
        return result

    def _gain(self, target: str, after: Score, everybody: Counted, fans: Counted) -> Gain:
        before = self._before[target]
        a = before.amplification if before else 0.0
        counted = _points(everybody, after.amplification) - _points(fans, a)
        error = _sampling_error(sum(fans), sum(everybody), exp2(after.amplification / 5))
        return Gain(after.score - self._faded(target, after.now), counted, error, fans.reach)

    def _targets(self, attacks: Iterable[Attack]) -> Iterable[str]:
        return (a.target(k) for a in attacks for k in self._repetitions)

    def _look(self, attacks: Iterable[Attack], at_s: float) -> None:
        for target in self._targets(attacks):
            after = self._read(target, at_s)
            assert after
            self._after[target] = after

    def _read(self, target: str, now_s: float) -> Score | None:
        return Reader(self._settings, self._client, wall=lambda: now_s).score(account(target))

    def _faded(self, target: str, now_s: float) -> float:
        """Return the score that a target would have if nothing had been done to it."""
        before = self._before[target]
        if before is None:
            return 1.0
        left = fade(now_s - before.now, self._settings.half_life_slow_s)
        return _points(Counted(before.reach * left, before.network * left), before.amplification)


def _points(people: Counted, amplification: float) -> float:
    return parts(people.reach, people.network, amplification, Weights()).score


def _sampling_error(before: float, after: float, lift: float) -> float:
    """Return the standard deviation of an estimated gain, points, where people weigh `before` and then `after`.

    A sketch's estimate grows by independent steps: that of `after` less that of `before` varies by e^2 (after^2 - before^2), and
    the error of `before`, e before, is in both scores but by other slopes. Who was counted exactly, before the switch, is taken
    as estimated, too: the error is no larger than this.
    """
    slopes = lift / (1 + lift * before), lift / (1 + lift * after)
    both = sqrt((after**2 - before**2) * slopes[1] ** 2 + before**2 * (slopes[0] - slopes[1]) ** 2)
    return POINTS_PER_UNIT * SKETCH_RELATIVE_ERROR * both
