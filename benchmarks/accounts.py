"""Entity rows as the scorer makes them: engagements folded in rounds, in any order of accounts, flushed as they come."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streams.columns.hashing import Hashes, hash_names
from streams.columns.texts import Texts
from streams.events.engagements import LIKE, SHARE, Engagements
from streams.tables.entity_rows import EntityRows
from streams.tables.flush import flush_pieces
from streams.tables.fold import fold

ROUND = 8192
FLUSH_ROUNDS = 12
_START_S = 1.7e9


@dataclass(frozen=True)
class Accounts:
    """Names of accounts and their hashes."""

    names: list[bytes]
    lo: Hashes
    hi: Hashes


def named(numbers: NDArray[np.int64]) -> Accounts:
    """Return the accounts of these numbers."""
    names = [b"account:%d" % n for n in numbers.tolist()]
    return Accounts(names, *hash_names(names))


def engaged(table: EntityRows, accounts: Accounts, people: NDArray[np.int64], seed: int) -> None:
    """Give each account as many engaged people as drawn from `people`, one engagement each, shuffled over all accounts."""
    rng = np.random.default_rng(seed)
    target = rng.permutation(np.repeat(np.arange(len(accounts.names)), rng.choice(people, len(accounts.names))))
    at = _START_S + np.sort(rng.uniform(0, 5 * 86400, len(target)))
    for number, first in enumerate(range(0, len(target), ROUND)):
        part = target[first : first + ROUND]
        fold(table, [_record(accounts, part, at[first : first + ROUND], first, rng)], [number])
        if number % FLUSH_ROUNDS == FLUSH_ROUNDS - 1:
            _flush(table)
    _flush(table)


def _flush(table: EntityRows) -> None:
    for _ in flush_pieces(table, [0]):
        pass


def _record(
    accounts: Accounts, target: NDArray[np.int64], at: NDArray[np.float64], first: int, rng: np.random.Generator
) -> Engagements:
    """Return engagements with the targets, each by somebody else."""
    n = len(target)
    distinct, position = np.unique(target, return_inverse=True)
    actors = [b"account:actor-%d" % i for i in range(first, first + n)]
    lo, hi = hash_names(actors)
    ones = np.ones(n, dtype=np.float32)
    standing = rng.uniform(0.01, 0.5, n).astype(np.float32)
    weight = rng.choice(np.array([0.26, 0.63], dtype=np.float32), n)
    return Engagements(
        "events", 0, first, at, np.arange(n, dtype=np.uint32), position.astype(np.uint32),
        (len(distinct) + np.arange(n)).astype(np.uint32), weight, ones, ones, ones, ones, standing,
        np.where(weight > 0.5, SHARE, LIKE).astype(np.uint8), np.r_[accounts.lo[distinct], lo], np.r_[accounts.hi[distinct], hi],
        Texts.of([accounts.names[i] for i in distinct.tolist()] + actors),
    )  # fmt: skip
