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


class Signatures:
    """Those of one writer, by partition."""

    def __init__(self, settings: Settings) -> None:
        self._rules = f"{RULES} {settings.topic_enter_reach!r} {settings.topic_leave_reach!r}"
        self._id = uuid.uuid4().hex[:12]
        # What may be there unless somebody else signed: a request that failed may have been carried out.
        self._expected: dict[int, set[bytes | None]] = {}

    def is_known(self, partition: int) -> bool:
        """Return whether it is known who signed a partition last."""
        return partition in self._expected

    def keep(self, partitions: Collection[int]) -> None:
        """Know that all other partitions are somebody else's now."""
        self._expected = {p: expected for p, expected in self._expected.items() if p in partitions}

    def look(self, partition: int, found: Found) -> bool:
        """Take over what is found of a partition; return whether it was written by the same rules, or by nobody."""
        updated_at, signed = found
        self._expected[partition] = {signed}
        return updated_at is None or (signed or b"").rpartition(b" ")[0].decode() == f"{self._rules} {updated_at.decode()}"

    def sign(self, partition: int, updated_at: float) -> str:
        """Return a signature that is about to be written."""
        signature = f"{self._rules} {updated_at!r} {self._id}"
        self._expected.setdefault(partition, set()).add(signature.encode())
        return signature

    def settle(self, partition: int, before: bytes | None, signature: str) -> bool:
        """Know that a signature is written; return whether the one before it is one that was to be expected."""
        was_expected = before in self._expected.get(partition, ())
        self._expected[partition] = {signature.encode()}
        return was_expected
