"""The posts people are still reacting to, and who reacts: attention decays with age and spreads with every share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streams.simulation.population import Population

CAPACITY = 16_384
_EVERYONE = 1e12  # an audience that large: each reader is somebody else
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class LivePosts:
    """A bounded pool of posts; a full pool forgets those that draw the least attention.

    A post draws attention in proportion to `pull / (1 + age / attention_s)^2`: half of its engagements come within
    `attention_s` of posting, and a few come very late.
    """

    def __init__(self, population: Population, attention_s: float) -> None:
        self._population = population
        self._attention_s = attention_s
        self._size = 0
        self.author: Ints = np.zeros(CAPACITY, np.int64)
        self.number: Ints = np.zeros(CAPACITY, np.int64)
        self.tags: Ints = np.zeros(CAPACITY, np.int64)
        self.born: Floats = np.zeros(CAPACITY)
        self._pull: Floats = np.zeros(CAPACITY)
        self._audience: Floats = np.zeros(CAPACITY)

    def add(self, author: Ints, number: Ints, tags: Ints, born: Floats, appeal: Floats, *, to_everyone: bool = False) -> None:
        """Take up new posts; `appeal` multiplies what the author's following alone would draw."""
        if len(author) > CAPACITY:
            author, number, tags = author[-CAPACITY:], number[-CAPACITY:], tags[-CAPACITY:]
            born, appeal = born[-CAPACITY:], appeal[-CAPACITY:]
        slots = self._slots(len(author), float(born[-1]) if len(born) else 0.0)
        followers = self._population.followers[author]
        self.author[slots], self.number[slots], self.tags[slots], self.born[slots] = author, number, tags, born
        self._pull[slots] = followers * appeal
        self._audience[slots] = _EVERYONE if to_everyone else followers

    def attention(self, now: float) -> Floats:
        """Return the attention each post draws at `now`, in the unit of followers."""
        age = np.maximum(now - self.born[: self._size], 0.0) / self._attention_s
        drawn: Floats = self._pull[: self._size] / np.square(1.0 + age)
        return drawn

    def draw(self, count: int, now: float, rng: np.random.Generator) -> Ints:
        """Return the slots of the posts that the next `count` engagements go to."""
        cumulative = np.cumsum(self.attention(now))
        found: Ints = np.searchsorted(cumulative, rng.random(count) * cumulative[-1], "right")
        return np.minimum(found, self._size - 1)

    def readers(self, slots: Ints, rng: np.random.Generator) -> Ints:
        """Return who engages with each post: one of its author's stable followers, the loyal ones more often.

        The j-th follower of an author is a hash of both, so a following needs no memory however large it is.
        """
        place = (self._audience[slots] * rng.random(len(slots)) ** 1.5).astype(np.uint64)
        mixed = (self.author[slots].astype(np.uint64) << np.uint64(40)) ^ place
        mixed = (mixed ^ (mixed >> np.uint64(31))) * _GOLDEN
        mixed = (mixed ^ (mixed >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
        uniform = ((mixed ^ (mixed >> np.uint64(32))) >> np.uint64(11)).astype(np.float64) / 2.0**53
        reader = np.searchsorted(self._population.activity, uniform, "right")
        accounts = len(self._population.honest)
        # Nobody honest applauds themselves: the next account steps in.
        return np.where(reader == self.author[slots], (reader + 1) % accounts, np.minimum(reader, accounts - 1))

    def spread(self, slots: Ints, sharers: Ints) -> None:
        """Widen the audience of shared posts by a part of the sharers' own following."""
        gained = np.bincount(slots, self._population.followers[sharers], self._size)
        self._audience[: self._size] += 0.3 * gained
        self._pull[: self._size] = np.minimum(self._pull[: self._size] + 0.02 * gained, 1e7)

    def _slots(self, count: int, now: float) -> Ints:
        free = min(count, CAPACITY - self._size)
        fresh = np.arange(self._size, self._size + free)
        if free == count:
            self._size += free
            return fresh
        weakest = np.argpartition(self.attention(now), count - free - 1)[: count - free]
        self._size += free
        return np.concatenate([weakest, fresh])
