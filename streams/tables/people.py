r"""Who engaged with each campaign, as sets that only grow (`streams.model.distinct`): for how many different people there were.

One record a campaign in the entities changelog, key `\0people:ENTITY`, value version u8 and the registers. Joining is idempotent:
of several records the maximum counts, whoever wrote them and however often. Nobody is taken out again, by an undo neither.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from streams.columns.grouping import where_true
from streams.events.engagements import KIND_MASK, TWEET, UNDO_BIT, Engagements
from streams.model.distinct import REGISTERS, Registers, add, empty, estimate

VERSION = 1
PEOPLE_KEY = b"\x00people:"
_FIRST_LETTER = ord("c")  # of campaigns' entities, and of no others


class People:
    """The sets of one partition, by entity name; `dirty` are those not yet in the changelog."""

    def __init__(self) -> None:
        self.dirty: set[bytes] = set()
        self._sets: dict[bytes, Registers] = {}

    def take(self, record: Engagements) -> None:
        """Add who engages with campaigns in a record."""
        is_campaign = record.names.data[record.names.start] == _FIRST_LETTER
        if not is_campaign.any():
            return
        is_engaged = ((record.flags & KIND_MASK) != TWEET) & ((record.flags & UNDO_BIT) == 0)
        chosen = where_true(is_campaign[record.target] & is_engaged)
        targets = record.target[chosen]
        for target in np.unique(targets).tolist():
            actors = record.actor[chosen[targets == target]]
            self._join(record.names[target], record.lo[actors])

    def _join(self, name: bytes, hashes: np.ndarray[tuple[int], np.dtype[np.uint64]]) -> None:
        if add(self._sets.setdefault(name, empty()), hashes):
            self.dirty.add(name)

    def counts(self) -> dict[str, int]:
        """Return about how many people engaged, by entity name."""
        return {name.decode(): round(estimate(registers)) for name, registers in self._sets.items()}

    def taken(self) -> tuple[list[bytes], list[bytes]]:
        """Return the records of the dirty sets, and mark them clean."""
        names = sorted(self.dirty)
        self.dirty.clear()
        return [PEOPLE_KEY + name for name in names], [_encoded(self._sets[name]) for name in names]

    def load(self, records: Iterable[tuple[bytes, bytes]]) -> None:
        """Join records (key, value); a set becomes dirty when its last record isn't all of it.

        Raises:
            ValueError: a newer release wrote one.
        """
        for key, value in records:
            if len(value) != 1 + REGISTERS or value[0] != VERSION:
                raise ValueError(f"people of version {value[:1]!r}; expected {VERSION}: a newer release wrote this changelog")
            name = key[len(PEOPLE_KEY) :]
            registers = self._sets.setdefault(name, empty())
            np.maximum(registers, np.frombuffer(value, dtype=np.uint8, offset=1), out=registers)
            if _encoded(registers) == value:
                self.dirty.discard(name)
            else:
                self.dirty.add(name)

    def write_again(self, keys: Iterable[bytes]) -> None:
        """Have sets that were loaded written again."""
        self.dirty.update(key[len(PEOPLE_KEY) :] for key in keys)


def _encoded(registers: Registers) -> bytes:
    return bytes([VERSION]) + registers.tobytes()
