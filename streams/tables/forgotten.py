"""Who is forgotten, laid out to be looked up by rows, engagements and texts. Hashes only: nothing here knows a name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import orjson
from numpy.typing import NDArray
from xxhash import xxh3_64_hexdigest, xxh3_128_digest

from streams import entities
from streams.columns.grouping import where_true
from streams.columns.hashing import Hashes
from streams.columns.index import Rows
from streams.control.forgetting import Forgetting
from streams.tables.reasons import without
from streams.tables.score_records import ScoreRecord

_NEVER = np.iinfo(np.int64).max


class Accounts(Protocol):
    """Distinct accounts of a batch, and where its actors and authors are among them (`streams.intake.named`)."""

    lo: Hashes
    hi: Hashes
    actor: Rows
    author: Rows


class Forgotten:
    """All who are forgotten, as the control topic says.

    `fingerprint` begins with how many they are, and differs with who; empty for nobody. `lo` and `hi` are the halves of their
    hashes; by the low ones people are known in sets of those engaged.
    """

    def __init__(self, definitions: Mapping[str, Forgetting]) -> None:
        self._since_ms = {bytes.fromhex(name): forgetting.since_ms for name, forgetting in definitions.items()}
        who = xxh3_64_hexdigest(b"".join(sorted(self._since_ms)))
        self.fingerprint = f"{len(self._since_ms)}-{who}" if self._since_ms else ""
        words = np.frombuffer(b"".join(self._since_ms), dtype=">u8").reshape(-1, 2).astype(np.uint64)
        self.lo, self.hi = words[:, 1].copy(), words[:, 0].copy()

    def __bool__(self) -> bool:
        return bool(self._since_ms)

    def __len__(self) -> int:
        return len(self._since_ms)

    def has(self, name: bytes) -> bool:
        """Return whether an entity, by its name, is a forgotten account, or one inside a scope."""
        return xxh3_128_digest(name.partition(b"@")[0]) in self._since_ms

    def has_account(self, account: str) -> bool:
        """Return whether an account, by its id, is forgotten."""
        return xxh3_128_digest(entities.account(account).encode()) in self._since_ms

    def drops(self, accounts: Accounts, broker_ms: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which events don't count, shape (n,).

        Args:
            accounts: of a batch of n events.
            broker_ms: when the broker took each, epoch ms.
        """
        if not self:
            return np.zeros(len(broker_ms), dtype=bool)
        lo, hi = accounts.lo, accounts.hi
        since_ms = np.full(len(hi), _NEVER)
        for i in where_true(np.isin(hi, self.hi)).tolist():
            digest = int(hi[i]).to_bytes(8, "big") + int(lo[i]).to_bytes(8, "big")
            since_ms[i] = self._since_ms.get(digest, _NEVER)
        dropped: NDArray[np.bool_] = broker_ms >= np.minimum(since_ms[accounts.actor], since_ms[accounts.author])
        return dropped

    def is_named_in(self, told: Mapping[str, Any]) -> bool:
        """Return whether a change, a statement of why a score moved or an alert is of a forgotten account, or names one.

        Looked at is where accounts are named and nothing else: somebody may be called `like`, as a kind of cause is.
        """
        entity = str(told.get("entity", ""))
        actors = [cause["actor"] for cause in told.get("causes", ()) if "actor" in cause]
        # On a board of topics or campaigns these are no accounts.
        others = [*told.get("displaced", ()), *told.get("displaced_by", ())] if entity.startswith("account:") else []
        return self.has(entity.encode(errors="replace")) or any(map(self.has_account, actors + others))

    def named_out(self, record: ScoreRecord) -> ScoreRecord:
        """Return a score record in whose change somebody forgotten counts among the others."""
        if not self or record.change is None:
            return record
        causes = orjson.loads(record.change.causes)
        kept = without(causes, self.has_account)
        if kept == causes:
            return record
        return record._replace(change=record.change._replace(causes=orjson.dumps(kept).decode()))


NOBODY = Forgotten({})
