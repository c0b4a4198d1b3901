"""The event logs that benchmarks send: recorded, simulated in the same shape, uniform, and tagged. All are seeded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streams.replay.readers import Recording, Records

HIGGS = Path(__file__).resolve().parents[2] / "shared" / "data" / "higgs"
HIGGS_EVENTS = 508_776  # in the five days recorded
UNIFORM_ACCOUNTS = 1_000_000
TAGS = 1_000
_START_S, _SPAN_S = 1_341_100_972, 431_825  # of the recording
_BLOCK = 50_000
# Part of all events that the first so many accounts have, read off the recording: 7 % go to one author.
_RANKS = np.array([1, 10, 100, 1_000, 10_000])
_AUTHOR_PARTS, _AUTHORS = np.array([0.069, 0.162, 0.343, 0.618, 0.844]), 80_000
_ACTOR_PARTS, _ACTORS = np.array([0.0012, 0.0041, 0.018, 0.071, 0.234]), 900_000
# Chosen so that 10,000 events in a row have as many authors and actors as in the recording: 2,400 and 7,000.
_CASCADE_RATIO = 0.025  # of the whole time: how long one author's events last
_AGAIN_RATIO, _AGAIN_EVENTS = 0.28, 3_000  # how often an actor comes again, and how soon


@dataclass(frozen=True)
class Log:
    """Events in order; `source` says where they are from."""

    source: str
    blocks: list[Records]

    def __len__(self) -> int:
        return sum(len(block.values) for block in self.blocks)


def higgs(limit: int | None = None) -> Log:
    """Return the recorded Higgs events, or simulated ones of that shape where the recording isn't beside the repository."""
    files = sorted(HIGGS.glob("higgs-activity_time*.txt.gz"))
    if files:
        return Log(files[0].name, list(Recording(files[0], "higgs", limit=limit).blocks()))
    n = min(limit or HIGGS_EVENTS, HIGGS_EVENTS)
    rng = np.random.default_rng(1)
    author = np.exp(_ranks(rng, n, np.log(_RANKS), _AUTHOR_PARTS, np.log(_AUTHORS)))
    author = np.minimum(np.ceil(author), _AUTHORS).astype(np.int64)
    author = author[np.argsort(rng.random(_AUTHORS)[author - 1] + rng.laplace(0, _CASCADE_RATIO, n))]
    # The many actors at the end all have about as many events: evenly spread, not by the log of the rank.
    actor = np.ceil(_ranks(rng, n, _RANKS, _ACTOR_PARTS, _ACTORS)).astype(np.int64)
    # An author's number as an actor is another rank: those who are shared most aren't those who share most.
    actor = rng.permutation(_ACTORS)[actor - 1][_again(rng, n)]
    at = _START_S + np.sort(rng.integers(0, _SPAN_S, n))
    return Log("simulated in the shape of the Higgs recording", list(_blocks(actor, author, at, rng.random(n) < 0.64)))


def uniform(count: int) -> Log:
    """Return events each by another account, and each for another, of one million: nothing that repeats can be made use of."""
    rng = np.random.default_rng(2)
    actor, author = rng.permutation(UNIFORM_ACCOUNTS)[:count], rng.permutation(UNIFORM_ACCOUNTS)[:count]
    at = _START_S + np.sort(rng.integers(0, _SPAN_S, count))
    return Log(f"uniform over {UNIFORM_ACCOUNTS} accounts", list(_blocks(actor, author, at, rng.random(count) < 0.64)))


def tagged(log: Log) -> Log:
    """Return the log with two tags in each event, of a thousand tags used as often as Zipf's law has it."""
    rng = np.random.default_rng(3)
    parts = np.cumsum(1 / np.arange(1, TAGS + 1))
    blocks = []
    for block in log.blocks:
        first = np.searchsorted(parts, rng.random(len(block.values)) * parts[-1])
        second = (first + rng.integers(1, TAGS, len(first))) % TAGS  # another one
        values = [
            b'%b,"tags":["tag%d","tag%d"]}' % (value[:-1], a, b)
            for value, a, b in zip(block.values, first.tolist(), second.tolist(), strict=True)
        ]
        blocks.append(Records(block.keys, values))
    return Log(f"{log.source}, two tags an event", blocks)


def _ranks(
    rng: np.random.Generator, count: int, ranks: NDArray[Any], parts: NDArray[np.float64], last: float
) -> NDArray[np.float64]:
    """Return ranks (or their logs) from the first to `last`, those up to `ranks[i]` drawn in `parts[i]` of all cases."""
    return np.interp(rng.random(count), np.r_[parts, 1.0], np.r_[ranks, last])


def _again(rng: np.random.Generator, count: int) -> NDArray[np.int64]:
    """Return for each place the place whose actor it has: mostly its own, else one shortly before."""
    source = np.arange(count)
    again = np.flatnonzero(rng.random(count) < _AGAIN_RATIO)
    source[again] = np.maximum(again - rng.integers(1, _AGAIN_EVENTS, len(again)), 0)
    while (source[source] != source).any():
        source = source[source]
    return source


def _blocks(
    actor: NDArray[np.int64], author: NDArray[np.int64], at: NDArray[np.int64], is_share: NDArray[np.bool_]
) -> Iterator[Records]:
    kinds = [b"share" if share else b"reply" for share in is_share.tolist()]
    keys: list[bytes | None] = [b"%d" % a for a in actor.tolist()]
    values = [
        b'{"id":"event-%d","kind":"%b","actor":"%d","author":"%d","at":%d}' % fields
        for fields in zip(range(len(keys)), kinds, actor.tolist(), author.tolist(), at.tolist(), strict=True)
    ]
    for first in range(0, len(keys), _BLOCK):
        yield Records(keys[first : first + _BLOCK], values[first : first + _BLOCK])
