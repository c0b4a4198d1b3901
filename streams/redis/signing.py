"""Who wrote last what Redis holds of a partition, and by which rules: what tells of another release, and of a second owner.

A release that doesn't know of signatures leaves the one it finds beside a later `updated_at`. A worker that lost a partition and
doesn't know it yet may fill a wiped Redis from its own, older table before the owner has noticed: the owner finds its signature.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection

from streams.settings import Settings

RULES = 1  # raised when what a score is in Redis changes otherwise than by its numbers

Found = tuple[bytes | None, bytes | None]  # `updated_at` and `signed` of a partition's stats
NOTHING: Found = (None, None)  # what a wipe leaves: the missing epoch tells of it, and whoever fills Redis signs


class Signatures:
    """Those of one writer, by partition."""

    def __init__(self, settings: Settings) -> None:
        self._rules = f"{RULES} {settings.topic_enter_reach!r} {settings.topic_leave_reach!r}"
        self._id = uuid.uuid4().hex[:12].encode()
        self._first: dict[int, bytes | None] = {}  # what was there before this writer signed

    def is_known(self, partition: int) -> bool:
        """Return whether it is known who signed a partition before this writer."""
        return partition in self._first

    def keep(self, partitions: Collection[int]) -> None:
        """Know that all other partitions are somebody else's now."""
        self._first = {p: first for p, first in self._first.items() if p in partitions}

    def look(self, partition: int, found: Found) -> bool:
        """Take over what is found of a partition; return whether it was written by the same rules, or by nobody."""
        updated_at, signed = found
        self._first[partition] = signed
        return updated_at is None or (signed or b"").rpartition(b" ")[0].decode() == f"{self._rules} {updated_at.decode()}"

    def text(self, updated_at: float) -> str:
        """Return a signature."""
        return f"{self._rules} {updated_at!r} {self._id.decode()}"

    def signed(self, partition: int, before: Found = NOTHING) -> bool:
        """Know that this writer signed; return whether what was there before is nothing, its own, or what it had found."""
        # Its own by any of its requests: one that failed may have been carried out.
        signed = before[1]
        is_own = signed is not None and signed.endswith(self._id)
        was_expected = before == NOTHING or is_own or signed == self._first.get(partition, self._id)
        self._first[partition] = self._id  # as no signature is, so that now only its own will do
        return was_expected
