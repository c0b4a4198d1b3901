"""Which events of a batch count for which campaigns: by tag or author, within the times of each (`streams.control.campaigns`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streams import entities
from streams.columns.hashing import hash_names
from streams.columns.index import Rows
from streams.columns.pool import ragged
from streams.control.campaigns import Campaign
from streams.intake.named import Accounts

_NEVER = np.iinfo(np.int64).max


class Counted(NamedTuple):
    """Which events of a batch count for which campaigns: pairs, each once, ascending; `names` are the campaigns' entities."""

    names: Sequence[bytes]
    event: Rows
    campaign: Rows


class Watchlist:
    """All campaigns, laid out to be looked up for a whole batch at once; those that ended too, for events taken again."""

    def __init__(self, campaigns: Sequence[Campaign] = ()) -> None:
        self.names = [campaign.entity.encode() for campaign in campaigns]
        self._since_ms = np.array([c.since_ms for c in campaigns], dtype=np.int64)
        self._ended_ms = np.array([_NEVER if c.ended_ms is None else c.ended_ms for c in campaigns], dtype=np.int64)
        self._from_s = np.array([c.starts_s for c in campaigns], dtype=np.float64)
        self._to_s = np.array([np.inf if c.to_s is None else c.to_s for c in campaigns], dtype=np.float64)
        self._by_tag: dict[str, list[int]] = {}
        watched: list[tuple[str, int]] = []
        for number, campaign in enumerate(campaigns):
            for tag in dict.fromkeys(campaign.tags):
                self._by_tag.setdefault(tag, []).append(number)
            watched += [(entities.account(account), number) for account in campaign.accounts]
        lo, hi = hash_names([name.encode() for name, _ in watched])
        order = np.argsort(lo, kind="stable")
        self._lo, self._hi = lo[order], hi[order]
        self._watched_by = np.array([number for _, number in watched], dtype=np.int64)[order]

    def matches(
        self, tags: Sequence[Sequence[str] | None], accounts: Accounts, at: NDArray[np.float64], broker_ms: NDArray[np.int64]
    ) -> Counted:
        """Return what counts for what.

        Args:
            tags: of each event, shape (n,).
            accounts: of the batch.
            at: event times, clamped, epoch s.
            broker_ms: when the broker took each, epoch ms.
        """
        if not self.names:
            return Counted((), *np.zeros((2, 0), dtype=np.int64))
        event, campaign = (np.concatenate(both) for both in zip(self._by_tags(tags), self._by_author(accounts), strict=True))
        counts = (broker_ms[event] >= self._since_ms[campaign]) & (broker_ms[event] < self._ended_ms[campaign])
        counts &= (at[event] >= self._from_s[campaign]) & (at[event] < self._to_s[campaign])
        pair = np.unique(event[counts] * len(self.names) + campaign[counts])
        return Counted(self.names, *np.divmod(pair, len(self.names)))

    def _by_tags(self, tags: Sequence[Sequence[str] | None]) -> tuple[Rows, Rows]:
        by_tag = self._by_tag
        found: list[tuple[int, int]] = []
        if by_tag:
            for event, names in enumerate(tags):
                for name in names or ():
                    if name in by_tag:
                        found += [(event, number) for number in by_tag[name]]
        pairs = np.array(found, dtype=np.int64).reshape(-1, 2)
        return pairs[:, 0], pairs[:, 1]

    def _by_author(self, accounts: Accounts) -> tuple[Rows, Rows]:
        first = np.searchsorted(self._lo, accounts.lo, side="left")
        lengths = np.searchsorted(self._lo, accounts.lo, side="right") - first
        # Of each event the entries of its author; of those the ones that are it in all 128 bits.
        entry = ragged(first[accounts.author], lengths[accounts.author])
        event = np.arange(len(accounts.author)).repeat(lengths[accounts.author])
        same = self._hi[entry] == accounts.hi[accounts.author[event]]
        return event[same], self._watched_by[entry[same]]
