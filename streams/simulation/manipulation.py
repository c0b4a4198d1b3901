"""Engagements that nobody was moved to: bots for one client, a retweet service, and a ring of favours."""

from __future__ import annotations

import numpy as np

from streams.simulation.population import Population
from streams.simulation.posts import Floats, Ints
from streams.simulation.records import Happenings

_BOTS, _SERVICE, _RING = 0.5, 0.3, 0.2  # of all manipulated engagements
_LIKE, _SHARE = 1, 2


def manipulated(count: int, at: Floats, population: Population, last_post: Ints, rng: np.random.Generator) -> Happenings:
    """Return `count` engagements at the times `at`, each with the latest post of who it is done for."""
    bots, service, ring = rng.multinomial(count, (_BOTS, _SERVICE, _RING)).tolist()
    members = len(population.ring)
    doer = rng.integers(0, members, ring)
    # 1..members-1 steps round the ring: never oneself.
    receiver = (doer + rng.integers(1, members, ring)) % members
    actor = np.concatenate(
        [_any_of(population.bots, bots, rng), _any_of(population.services, service, rng), doer + population.ring.start]
    )
    author = np.concatenate([
        np.full(bots, population.client_of_bots),
        _any_of(population.clients_of_service, service, rng),
        receiver + population.ring.start,
    ])  # fmt: skip
    kind = np.where(rng.random(count) < 0.5, _LIKE, _SHARE)
    kind[bots : bots + service] = _SHARE
    tags = population.usual_tags[author, 1]
    return Happenings(at, kind, actor, author, last_post[author], tags)


def _any_of(group: range, count: int, rng: np.random.Generator) -> Ints:
    return rng.integers(group.start, group.stop, count)
