"""Events over any number of accounts, block by block: millions of them needn't be in memory at once.

Times end at a moment that is given: rows of events long before those of a steady load would expire under it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from streams.replay.readers import Records

SPAN_S = 86_400.0
SHARE_RATIO = 0.64  # as in the Higgs recording; the others are replies
_BLOCK = 20_000


def everybody(accounts: int, end_s: float) -> Iterator[Records]:
    """Yield one event by each account, each for another one: afterwards all have a row as actor and as author."""
    rng = np.random.default_rng(accounts)
    actor = rng.permutation(accounts)
    yield from _blocks("all", rng, actor, np.roll(actor, accounts // 2), end_s)  # nobody meets themselves


def drawn(
    count: int, accounts: int, end_s: float, *, exponent: float = 0.0, hot_ratio: float = 0.0, seed: int = 1
) -> Iterator[Records]:
    """Yield events whose actors are drawn evenly from the accounts.

    Args:
        count: how many.
        accounts: numbered from 0.
        end_s: time of the last, epoch s; they are spread over the day before.
        exponent: of Zipf's law for authors: 0 draws them evenly, 1 gives the n-th the n-th part of what the first has.
        hot_ratio: what part of all events goes to the first account, beside that.
        seed: of the draw, and part of the ids.
    """
    rng = np.random.default_rng(seed)
    if exponent:
        parts = np.cumsum(np.arange(1, accounts + 1) ** -exponent)
        author = np.searchsorted(parts, rng.random(count) * parts[-1])
    else:
        author = rng.integers(0, accounts, count)
    author[rng.random(count) < hot_ratio] = 0
    yield from _blocks(f"drawn-{seed}", rng, rng.integers(0, accounts, count), author, end_s)


def _blocks(
    name: str, rng: np.random.Generator, actor: NDArray[np.int64], author: NDArray[np.int64], end_s: float
) -> Iterator[Records]:
    begun_s = end_s - SPAN_S
    for first in range(0, len(actor), _BLOCK):
        actors, authors = (column[first : first + _BLOCK].tolist() for column in (actor, author))
        is_share = rng.random(len(actors)) < SHARE_RATIO
        values = [
            b'{"id":"%b-%d","kind":"%b","actor":"%d","author":"%d","at":%.3f}'
            % (name.encode(), n, b"share" if share else b"reply", a, b, begun_s + SPAN_S * n / len(actor))
            for n, (share, a, b) in enumerate(zip(is_share.tolist(), actors, authors, strict=True), first)
        ]
        keys: list[bytes | None] = [b"%d" % a for a in actors]
        yield Records(keys, values)
