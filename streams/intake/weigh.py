"""The factors of each engagement of a batch, from the actor's own rows (`model.md` 2)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streams.columns.grouping import distinct_numbers, run_lengths, run_starts, stable_order, where_true
from streams.columns.index import Rows
from streams.columns.records import picked, put
from streams.events.decode import Events
from streams.events.engagements import LIKE, REPLY, SHARE, TWEET
from streams.intake.named import Accounts
from streams.intake.recent import RecentTargets
from streams.model import weighing
from streams.settings import Settings
from streams.tables.actor_rows import ActorRows
from streams.tables.entity_rows import FAVOUR_BIT, EntityRows

Floats = NDArray[np.float64]
DAY_S = 86400.0
_SPREAD = np.uint64(0x9E3779B97F4A7C15)


@dataclass(slots=True)
class Places:
    """Where n events were read: each one's partition and offset, and its topic as a place in `topics`.

    The partition matters: who has a row there as an actor has one as an author.
    """

    topics: list[str]
    topic: Rows
    partition: Rows
    offset: Rows

    def some(self, rows: Rows) -> Places:
        """Return those of some of the events."""
        return Places(self.topics, self.topic[rows], self.partition[rows], self.offset[rows])

    def by_topic(self) -> Iterator[tuple[str, Rows | slice]]:
        """Yield each topic with its events, in order."""
        if len(self.topics) == 1:
            yield self.topics[0], slice(None)
            return
        for number, topic in enumerate(self.topics):
            yield topic, where_true(self.topic == number)


@dataclass(slots=True)
class Factors:
    """Columns of n engagements, each 0..1."""

    kind_weight: Floats
    trust: Floats
    budget: Floats
    repeat: Floats
    reciprocity: Floats
    standing: Floats


def weigh(
    events: Events, at: Floats, broker_s: Floats, places: Places, accounts: Accounts, actors: ActorRows, entities: EntityRows,
    settings: Settings,
) -> Factors:  # fmt: skip
    """Weigh the accepted events of a batch, of each partition in offset order, and update their actors' rows.

    Args:
        events: accepted events only, shape (n,).
        at: their times, clamped.
        broker_s: broker times: ages are measured by these.
        places: where each was read.
        accounts: the batch's accounts.
        actors: updated.
        entities: read: an actor's own reach and standing, and who did the actor favours.
        settings: weights and scales.
    """
    # An actor whose events a producer placed in several partitions is somebody else in each.
    partitions, in_part = distinct_numbers(places.partition, int(places.partition.max()) + 1)
    pair, of = distinct_numbers(accounts.actor + len(accounts.names) * in_part, len(accounts.names) * len(partitions))
    at_part, distinct = np.divmod(pair, len(accounts.names))
    lo, hi = accounts.lo[distinct], accounts.hi[distinct]
    rows, _ = actors.find_or_add(lo, hi, accounts.names, distinct, partitions[at_part])
    actors.dirty[rows] = True
    for topic, some in places.by_topic():
        actors.taken.of_topic(topic)[rows[of[some]]] = places.offset[some] + 1  # ascending: of each row's the last stays
    _meet(actors, rows, of, broker_s)
    own = entities.find(lo, hi, partitions[at_part])
    reach, standing = _own(entities, own, of, at, settings)
    log_since = np.array([actors.inputs(p).log_since for p in partitions.tolist()])[in_part]
    trust = _trust(events, of, broker_s, log_since, picked(actors.rows, rows), reach, settings)

    post = events.kind == TWEET
    ones = np.ones(len(at))
    budget = ones.copy()
    counted = where_true(~post & ~events.undo)
    if len(counted):
        budget[counted] = _budget(actors, rows, of[counted], at[counted], settings)
    kind_weight = np.array([1.0, settings.weight_like, settings.weight_share, settings.weight_reply])[events.kind]
    factors = Factors(kind_weight, trust, budget, ones.copy(), ones.copy(), standing[of])
    engaged = where_true(~post)
    if len(engaged):
        target = accounts.lo[accounts.author[engaged]]
        favours = _favours(entities, own, of[engaged], target, at[engaged])
        factors.reciprocity[engaged] = weighing.reciprocity(favours)
        _repeat(factors, actors, rows[of], engaged, target, events, at)
    for column in (factors.trust, factors.budget, factors.repeat, factors.reciprocity):
        column[post] = 1.0
    return factors


def _meet(actors: ActorRows, rows: Rows, of: Rows, broker_s: Floats) -> None:
    """Note that the actors of rows[of] were seen at broker times; of a backlog a batch may span days."""
    state = picked(actors.rows, rows)
    first_s = np.full(len(rows), np.inf)
    np.minimum.at(first_s, of, broker_s)
    state["first_seen"] = np.where(state["first_seen"] == 0, first_s, state["first_seen"])
    day = (broker_s // DAY_S).astype(np.int32)
    for today in sorted(set(day.tolist())):
        seen = np.zeros(len(rows), dtype=bool)
        seen[of[day == today]] = True
        state["active_days"] += seen & (today > state["last_day"])
        state["last_day"] = np.where(seen, np.maximum(state["last_day"], today), state["last_day"])
    actors.latest_day = max(actors.latest_day, int(day.max()))
    put(actors.rows, rows, state)


def _own(entities: EntityRows, own: Rows, of: Rows, at: Floats, settings: Settings) -> tuple[Floats, Floats]:
    """Return the actors' own reach and their standing v = (score - 1)/99, faded to their latest event here."""
    when = np.zeros(len(own))
    np.maximum.at(when, of, at)
    reach, standing = np.zeros(len(own)), np.zeros(len(own))
    known = where_true(own >= 0)
    if len(known):
        r, g, a = entities.standing_inputs(own[known], when[known])
        influence = (r + settings.network_weight * g) * np.exp2(a / 5)
        reach[known] = r
        standing[known] = np.minimum(5 * np.log2(1 + influence) / 99, 1.0)
    return reach, standing


def _trust(
    events: Events, of: Rows, broker_s: Floats, log_since: Floats, state: NDArray[np.void], reach: Floats, settings: Settings
) -> Floats:
    told = ~np.isnan(events.since)
    age = broker_s - np.where(told, events.since, state["first_seen"][of])
    young = weighing.trust_floor(settings.trust_floor, broker_s.max() - log_since, settings.trust_age_s)
    floor = np.where(told, settings.trust_floor, young)
    return weighing.trust(age, state["active_days"][of].astype(float), reach[of], floor, settings.trust_age_s)


def _budget(actors: ActorRows, rows: Rows, of: Rows, at: Floats, settings: Settings) -> Floats:
    """Return the budget factor of engagements and bring the actors' rates up to date."""
    order = stable_order(of)
    first = run_starts(of[order])
    lengths = run_lengths(first, len(order))
    mine = rows[of[order[first]]]
    state = picked(actors.rows, mine)
    group = np.arange(len(first)).repeat(lengths)
    counts, newest = weighing.daily_counts(state["rate"], state["rate_at"], at[order], first, group)
    state["rate"] = counts[first + lengths - 1]
    state["rate_at"] = newest
    put(actors.rows, mine, state)
    result = np.empty(len(of))
    result[order] = weighing.budget(counts * np.log(2), settings.budget_per_day)
    return result


def _favours(entities: EntityRows, own: Rows, of: Rows, target: NDArray[np.uint64], at: Floats) -> Floats:
    """Return the decayed weight of what each target lately did for the actor (likes and shares)."""
    favours = np.zeros(len(of))
    known = where_true(own >= 0)
    held, owner = entities.people.gather(own[known])
    did = (held["person"] & FAVOUR_BIT) > 0
    keys = (held["person"][did] | FAVOUR_BIT) ^ (known[owner[did]].astype(np.uint64) * _SPREAD)
    if len(keys):
        order = keys.argsort()
        wanted = (target | FAVOUR_BIT) ^ (of.astype(np.uint64) * _SPREAD)
        place = np.minimum(np.searchsorted(keys[order], wanted), len(keys) - 1)
        hit = where_true(keys[order[place]] == wanted)
        forward = held["reach"][did][order[place[hit]]]
        favours[hit] = np.exp2(np.minimum(forward - at[hit] / entities.settings.half_life_slow_s, 0.0))
    place_of = np.where(own >= 0, entities.sketch_of[own], 0)[of] - 1
    big = where_true(place_of >= 0)
    if len(big):
        rings = entities.sketches["favours"][place_of[big]]
        favours[big[(rings == (target[big] | FAVOUR_BIT)[:, None]).any(axis=1)]] = 1.0
    return favours


def _repeat(
    factors: Factors, actors: ActorRows, rows: Rows, engaged: Rows, target: NDArray[np.uint64], events: Events, at: Floats
) -> None:
    """Fill the repeat factor, give each undo the factors of what it takes back, and remember the targets."""
    recent = RecentTargets(actors, rows[engaged], target, at[engaged], events.kind[engaged], events.undo[engaged])
    factors.repeat[engaged] = 1.0 / recent.times
    undone = recent.undone()
    factors.kind_weight[engaged[events.undo[engaged]]] = 0.0
    for u in undone:
        event = engaged[u.event]
        if u.original >= 0:
            for name in Factors.__slots__:
                column = getattr(factors, name)
                column[event] = column[engaged[u.original]]
        else:
            factors.kind_weight[event] = u.weight
            factors.trust[event] = factors.budget[event] = factors.repeat[event] = factors.reciprocity[event] = 1.0
            factors.standing[event] = u.standing
    weight = factors.kind_weight * factors.trust * factors.budget * factors.repeat * factors.reciprocity
    recent.remember(weight[engaged], factors.standing[engaged], undone)


assert (LIKE, SHARE, REPLY) == (1, 2, 3)  # the order of the kind weights above
