"""The accounts of a batch: each distinct one once, with its entity name, hash and partition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streams.columns.grouping import distinct_hashes
from streams.columns.hashing import Hashes, hash_names
from streams.columns.index import Rows
from streams.columns.placement import partitions_of
from streams.columns.texts import Texts
from streams.entities import account

_ACCOUNT, _TO_ENCODE = "account:", "%@{}"


@dataclass(slots=True)
class Accounts:
    """Distinct accounts of a batch and where its actors and authors are among them."""

    names: Texts  # entity names
    lo: Hashes
    hi: Hashes
    partition: NDArray[np.int64]
    actor: Rows
    author: Rows


def accounts_of(actors: Sequence[str], authors: Sequence[str], partitions: int) -> Accounts:
    """Return the distinct accounts among the actors and authors of n events."""
    everybody = [*actors, *authors]
    blob = _ACCOUNT + f"\n{_ACCOUNT}".join(everybody)
    is_plain = not any(c in blob for c in _TO_ENCODE)
    if not is_plain:
        blob = "\n".join(map(account, everybody))
    encoded = blob.encode()
    names = encoded.split(b"\n")
    lo, hi = hash_names(names)
    first, place = distinct_hashes(lo, hi)
    length = np.fromiter(map(len, names), dtype=np.int64, count=len(names))
    column = Texts(np.frombuffer(encoded, dtype=np.uint8), np.cumsum(length + 1) - length - 1, length).pick(first)
    if is_plain:
        ids = Texts(column.data, column.start + len(_ACCOUNT), column.length - len(_ACCOUNT))
    else:
        ids = Texts.of([everybody[i].encode() for i in first.tolist()])
    return Accounts(column, lo[first], hi[first], partitions_of(ids, partitions), place[: len(actors)], place[len(actors) :])
