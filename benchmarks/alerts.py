"""False alarms on steady traffic, and how many bursts are found how soon: a simulated network through intake, scorer and a rule.

The network posts as ever, by day and night, from its first hour on: what a young log knows little of counts, too. An account-day
is a day of one account of the network, busy or not. A burst is a post that draws many times the people that a post of its account
usually draws, over the hours that posts draw people in this network; those it comes to are other accounts of the network.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec
import numpy as np

from benchmarks.run import Figures, Run
from streams.alerts.history import Trial
from streams.alerts.rules import Rule
from streams.columns.hashing import hash_names
from streams.entities import account
from streams.intake.take import take
from streams.kafka.range import Range
from streams.settings import Settings
from streams.simulation import generate
from streams.simulation.population import Population, populate
from streams.tables.actor_rows import ActorRows

START_S, DAY_S = 1.7e9, 86_400.0
WINDOW_S = 120.0
ATTENTION_S = 1800.0  # half of a post's engagements come within it
EVENTS_PER_ACCOUNT_DAY = 15.0
QUIET_DAYS = 2  # before the first burst: trust grows with the days an account was seen on
KNOWN_S = DAY_S  # of an account that was first seen later nobody knows what is usual
TIMES, LEAST_PEOPLE = (30.0, 60.0), 200  # of what a post usually draws
WEIGHT = 0.2  # of an engagement in a network so young, about
FOUND_WITHIN_S = DAY_S
JUMP = Rule(id="jump", kind="jump", scope="all", points=2.0)
_KINDS, _SHARES = ("like", "share", "reply"), (0.70, 0.18, 0.12)


@dataclass
class Found:
    """What came of a simulated network; times in seconds."""

    account_days: float
    events: int = 0
    false_alarms: int = 0
    bursts: int = 0
    delays_s: list[float] = field(default_factory=list)


class _Network:
    """The tables of a network, fed as by a worker, and the rule that is tried."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._actors, self._trial = settings, ActorRows(), Trial(settings, JUMP)
        self.events = self._records = 0

    def take(self, keys: list[bytes], values: list[bytes], until_s: float) -> list[dict[str, float | str]]:
        """Take a window's events; return the alerts."""
        offsets = list(range(self.events, self.events + len(keys)))
        content = Range("events", 0, offsets, [int(until_s * 1000)] * len(keys), list(keys), list(values), self.events)
        self.events += len(keys)
        table, alerts = self._trial.table, []
        for _, record in take([content], self._actors, table, self._settings).engagements:
            alerts += list(self._trial.take(record, self._records, 0))
            self._records += 1
        return alerts

    def usual_people(self, name: str, now_s: float) -> float | None:
        """Return about how many people a post of an account draws; None for one that wasn't known a day ago."""
        table = self._trial.table
        (row,) = table.find(*hash_names([account(name).encode()]))
        if row < 0 or now_s - table.past["since"][row] < KNOWN_S:
            return None
        made = float(table.rows["made"][row])
        return float(table.rows["engaged"][row]) / made / WEIGHT if made > 0 else 0.0


def simulated(accounts: int, days: float, bursts_per_day: float, seed: int) -> Found:
    """Run a network for some days; bursts come from the third day on, each to another account."""
    settings, rng = Settings(partitions=1, topics_enabled=False), np.random.default_rng([seed, 1])
    network, found = _Network(settings), Found(accounts * days)
    population = populate(accounts, START_S, np.random.default_rng(seed))
    waiting: list[tuple[float, bytes, bytes]] = []
    begun: dict[str, float] = {}
    rate_per_s = accounts * EVENTS_PER_ACCOUNT_DAY / DAY_S
    for batch in generate(
        accounts, rate_per_s, seed, START_S, window_s=WINDOW_S, attention_s=ATTENTION_S, burst_every_s=math.inf
    ):
        if batch.until > START_S + days * DAY_S:
            break
        # None so late that it couldn't be found any more.
        if START_S + QUIET_DAYS * DAY_S < batch.until < START_S + (days - 0.5) * DAY_S:
            for _ in range(int(rng.poisson(bursts_per_day * WINDOW_S / DAY_S))):
                name = population.names[int(rng.integers(accounts))]
                times = math.exp(rng.uniform(math.log(TIMES[0]), math.log(TIMES[1])))
                usual = network.usual_people(name, batch.until)
                if usual is None or account(name) in begun:
                    continue
                people = max(LEAST_PEOPLE, int(times * usual))
                if people <= accounts // 2:  # more wouldn't be a network
                    begun[account(name)] = batch.until
                    for event in _burst(name, people, batch.until, population, rng):
                        heapq.heappush(waiting, event)
        keys, values = batch.keys, batch.values
        while waiting and waiting[0][0] < batch.until:
            _, key, value = heapq.heappop(waiting)
            keys.append(key)
            values.append(value)
        for alert in network.take(keys, values, batch.until) if keys else ():
            at_s = float(alert["at"])
            late_s = at_s - begun.get(str(alert["entity"]), math.inf)
            if 0 <= late_s < FOUND_WITHIN_S:
                found.delays_s.append(late_s)
                begun[str(alert["entity"])] = -math.inf  # found; another alert of it would be a false one
            else:
                found.false_alarms += 1
    found.events, found.bursts = network.events, len(begun)
    return found


def _burst(
    author: str, people: int, at_s: float, population: Population, rng: np.random.Generator
) -> Iterator[tuple[float, bytes, bytes]]:
    """Yield a post and the engagements it draws, as (time, key, event)."""
    honest = len(population.honest)
    u = rng.random(people) * 0.95
    ages = np.sort(ATTENTION_S * u / (1 - u))
    kinds = rng.choice(_KINDS, people, p=_SHARES).tolist()
    yield at_s, author.encode(), _event(f"burst-{author}", "tweet", author, author, at_s, population.since[0])
    for i, (who, age, kind) in enumerate(
        zip(rng.choice(honest, people, replace=False).tolist(), ages.tolist(), kinds, strict=True)
    ):
        name = population.names[who]
        if name != author:
            event = _event(f"burst-{author}.{i}", kind, name, author, at_s + age, population.since[who])
            yield at_s + age, name.encode(), event


def _event(number: str, kind: str, actor: str, author: str, at_s: float, since_s: float) -> bytes:
    return msgspec.json.encode(
        {"id": number, "kind": kind, "actor": actor, "author": author, "at": round(at_s, 3), "actor_since": float(since_s)}
    )


def measure(run: Run) -> Iterator[Figures]:
    """Measure false alarms without a burst anywhere, then the bursts."""
    accounts, days = (300, 4.0) if run.is_quick else (2000, 15.0)
    steady = simulated(accounts, days, 0.0, seed=1)
    yield {
        "name": "alerts_steady",
        "events": steady.events,
        "account_days": steady.account_days,
        "false_alarms": steady.false_alarms,
        "false_alarms_per_1000_account_days": 1000 * steady.false_alarms / steady.account_days,
    }
    bursts = simulated(accounts, days, accounts / 100, seed=2)
    yield {
        "name": "alerts_bursts",
        "events": bursts.events,
        "bursts": bursts.bursts,
        "found_ratio": len(bursts.delays_s) / max(1, bursts.bursts),
        "delay_p50_s": float(np.percentile(bursts.delays_s or [math.nan], 50)),
        "delay_p90_s": float(np.percentile(bursts.delays_s or [math.nan], 90)),
        "false_alarms_per_1000_account_days": 1000 * bursts.false_alarms / bursts.account_days,
    }
