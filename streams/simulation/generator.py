"""The simulation itself: one short window after the other, all draws of a window at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from streams.simulation.manipulation import manipulated
from streams.simulation.population import Population, populate
from streams.simulation.posts import Floats, Ints, LivePosts
from streams.simulation.records import Happenings, Writer
from streams.simulation.rhythm import daily_rhythm

# Shares of all events. Bots, service and ring are loud for their number: that is what makes them visible.
_POSTS, _MANIPULATED = 0.08, 0.08
_KINDS, _KIND_SHARES = np.array([1, 2, 3]), np.array([0.70, 0.18, 0.12])  # like, share, reply
_SHARE = 2
_POSTS_BEFORE = 400


@dataclass(frozen=True, slots=True)
class Batch:
    """Events of one window in time order; `until` is the epoch second at which all of them have happened."""

    until: float
    keys: list[bytes]
    values: list[bytes]


def generate(
    accounts: int,
    rate_per_s: float,
    seed: int,
    start_time: float,
    *,
    window_s: float = 0.05,
    day_s: float = 86_400.0,
    swing_ratio: float = 0.6,
    attention_s: float = 15.0,
    burst_every_s: float = 25.0,
) -> Iterator[Batch]:
    """Yield the events of a network from `start_time` (epoch s) on, without end.

    Args:
        accounts: honest accounts; the named ones come on top.
        rate_per_s: events per second, averaged over a day.
        seed: the same seed and arguments give the same bytes.
        start_time: epoch seconds; event ids contain it, so two runs don't repeat each other's ids.
        window_s: event time covered by one batch.
        day_s: length of a day; shorter shows the rhythm sooner.
        swing_ratio: 0 is a steady rate, 1 sleeps at the quietest hour.
        attention_s: half of a post's engagements come within this time.
        burst_every_s: mean time between posts that burst.
    """
    rng = np.random.default_rng(seed)
    population = populate(accounts, start_time, rng)
    writer = Writer(population, seed, start_time, rng)
    network = _Network(population, start_time, attention_s, rng)
    burst_at, bursts = start_time + min(4.0, burst_every_s), 0
    window = 0
    while True:
        begin, until = start_time + window * window_s, start_time + (window + 1) * window_s
        count = int(rng.poisson(rate_per_s * window_s * daily_rhythm(begin, day_s, swing_ratio)))
        parts = network.happen(count, begin, window_s)
        if burst_at < until:
            parts.append(network.burst(population.viral[bursts % len(population.viral)], max(burst_at, begin)))
            bursts += 1
            burst_at += float(rng.exponential(burst_every_s))
        yield Batch(until, *writer.write(Happenings.in_order(parts), until))
        window += 1


class _Network:
    """Posts and who reacts to them, window by window."""

    def __init__(self, population: Population, start_time: float, attention_s: float, rng: np.random.Generator) -> None:
        self._population = population
        self._rng = rng
        self._last_post: Ints = np.zeros(len(population.names), np.int64)  # per author; 0 is one from before the start
        self._live = LivePosts(population, attention_s)
        u = np.sort(rng.random(_POSTS_BEFORE))[::-1]
        born: Floats = start_time - attention_s * u / (1.001 - u)
        authors = self._active(_POSTS_BEFORE)
        self._live.add(authors, np.zeros_like(authors), self._tags(authors), born, self._appeal(_POSTS_BEFORE))

    def happen(self, count: int, begin: float, window_s: float) -> list[Happenings]:
        """Return `count` events of the window: posts, engagements that posts draw, and those that are bought."""
        posts, bought, drawn = self._rng.multinomial(count, (_POSTS, _MANIPULATED, 1 - _POSTS - _MANIPULATED)).tolist()
        return [
            # First, or it could be for a post that is only made later in this window.
            manipulated(bought, self._times(bought, begin, window_s), self._population, self._last_post, self._rng),
            self._post(self._authors(posts), self._times(posts, begin, window_s), self._appeal(posts)),
            self._engage(drawn, begin, window_s),
        ]

    def burst(self, author: int, at: float) -> Happenings:
        """Return a post that a third of the whole network's attention goes to at first."""
        appeal = 0.5 * float(self._live.attention(at).sum()) / self._population.followers[author]
        return self._post(np.array([author]), np.array([at]), np.array([appeal]), to_everyone=True)

    def _post(self, author: Ints, at: Floats, appeal: Floats, *, to_everyone: bool = False) -> Happenings:
        # The n-th post of an author within this window gets the n-th next number.
        order = np.argsort(author, kind="stable")
        _, first, repeats = np.unique(author[order], return_index=True, return_counts=True)
        rank = np.empty(len(author), np.int64)
        rank[order] = np.arange(len(author)) - np.repeat(first, repeats)
        number = self._last_post[author] + 1 + rank
        np.maximum.at(self._last_post, author, number)
        tags = self._tags(author)
        honest = (author < self._population.bots.start).nonzero()[0]  # bought attention comes by other ways
        self._live.add(author[honest], number[honest], tags[honest], at[honest], appeal[honest], to_everyone=to_everyone)
        return Happenings(at, np.zeros(len(author), np.int64), author, author, number, tags)

    def _engage(self, count: int, begin: float, window_s: float) -> Happenings:
        slots = self._live.draw(count, begin, self._rng)
        actor = self._live.readers(slots, self._rng)
        kind = self._rng.choice(_KINDS, count, p=_KIND_SHARES)
        at = np.maximum(self._times(count, begin, window_s), self._live.born[slots])
        author, number, tags = self._live.author[slots], self._live.number[slots], self._live.tags[slots]
        shared = kind == _SHARE
        self._live.spread(slots[shared], actor[shared])
        return Happenings(at, kind, actor, author, number, tags)

    def _authors(self, count: int) -> Ints:
        p = self._population
        # One post in fifty comes from those who then have it engaged with for money or favours, or whose posts burst at times.
        named = np.array([p.client_of_bots, *p.clients_of_service, *p.ring, *p.viral])
        return np.where(self._rng.random(count) < 0.02, self._rng.choice(named, count), self._active(count))

    def _active(self, count: int) -> Ints:
        found = np.searchsorted(self._population.activity, self._rng.random(count), "right")
        return np.minimum(found, len(self._population.honest) - 1)

    def _tags(self, author: Ints) -> Ints:
        tags: Ints = self._population.usual_tags[author, self._rng.integers(0, 4, len(author))]
        return tags

    def _appeal(self, count: int) -> Floats:
        return self._rng.lognormal(0.0, 1.0, count)

    def _times(self, count: int, begin: float, window_s: float) -> Floats:
        return begin + self._rng.random(count) * window_s
