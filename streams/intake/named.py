"""The accounts of a batch: each distinct one once, with its entity name, hash and partition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streams.columns.hashing import Hashes, distinct, hash_names
from streams.columns.index import Rows
from streams.columns.placement import partitions_of
from streams.entities import encode_id

_TO_ENCODE = "%@{}"


@dataclass(slots=True)
class Accounts:
    """Distinct accounts of a batch and where its actors and authors are among them."""

    names: list[bytes]  # entity names
    lo: Hashes
    hi: Hashes
    partition: NDArray[np.int64]
    actor: Rows
    author: Rows


def accounts_of(actors: Sequence[str], authors: Sequence[str], partitions: int) -> Accounts:
    """Return the distinct accounts among the actors and authors of n events."""
    everybody = [*actors, *authors]
    blob = "account:" + "\naccount:".join(everybody)
    if any(c in blob for c in _TO_ENCODE):
        blob = "account:" + "\naccount:".join(map(encode_id, everybody))
    names = blob.encode().split(b"\n")
    lo, hi = hash_names(names)
    first, place = distinct(lo, hi)
    wanted = first.tolist()
    return Accounts(
        [names[i] for i in wanted],
        lo[first],
        hi[first],
        partitions_of([everybody[i].encode() for i in wanted], partitions),
        place[: len(actors)],
        place[len(actors) :],
    )
