"""What the control topic says so far, and up to which time that is all.

An event may be counted only when everything is known that decides what it counts for: the control records that the broker took up
to `ACTIVATION_S` before the event. A fetch that reached the end of the topic has all records from before it was begun, so one
begun at `complete_until_s` lets events be taken up to `MARGIN_S` later; the rest of `ACTIVATION_S` is left to clocks that differ
between brokers and workers, and to records that take their time from the leader to its replicas.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from streams.alerts import rules
from streams.alerts.rules import Rules
from streams.control import campaigns, forgetting, hiding
from streams.control.campaigns import Campaign
from streams.control.forgetting import Forgetting

_log = logging.getLogger("cloutstream")
MARGIN_S = 1.0

# Kind -> what a record says after those before it: (id, what they said or None, value, the broker's time in
# epoch ms).
FOLDS: dict[str, Callable[[str, Any, bytes, int], Any]] = {
    "campaign": campaigns.fold,
    "rule": rules.fold,
    "forget": forgetting.fold,
    "hide": hiding.fold,
}


class ControlRecord(NamedTuple):
    """A record of the control topic; `timestamp` is the broker's time, epoch ms."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


@dataclass(slots=True)
class Fetched:
    """What came of a fetch; `complete_until_s` is when it was begun, epoch s, if it reached the end of the topic."""

    records: Sequence[ControlRecord]
    complete_until_s: float | None


@dataclass
class ControlState:
    """All definitions by kind and id; `revision` grows whenever one changes, `looks` with each fetch that reached the end."""

    revision: int = 0
    looks: int = 0
    complete_until_s: float = float("-inf")
    _held: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def takes_until_s(self) -> float:
        """The broker's time up to which events may be taken, epoch s."""
        return self.complete_until_s + MARGIN_S

    @property
    def is_read(self) -> bool:
        """Whether it was read to its end once."""
        return self.complete_until_s > float("-inf")

    def definitions(self, kind: str) -> Mapping[str, Any]:
        """Return what is defined of a kind, by id."""
        return self._held.get(kind, {})

    @property
    def campaigns(self) -> list[Campaign]:
        """All campaigns, those that ended too."""
        return list(self.definitions("campaign").values())

    def campaign(self, name: str) -> Campaign | None:
        """Return a campaign by its name."""
        return self.definitions("campaign").get(name)

    @property
    def rules(self) -> Rules:
        """All alert rules."""
        return Rules(self.definitions("rule"))

    @property
    def forgotten(self) -> Mapping[str, Forgetting]:
        """Who is forgotten, by hash."""
        return self.definitions("forget")

    @property
    def hidden(self) -> frozenset[str]:
        """Accounts that are hidden."""
        return frozenset(self.definitions("hide"))

    def apply(self, fetched: Fetched) -> None:
        """Take what a fetch brought.

        Raises:
            CloutstreamError: a newer release wrote a record.
        """
        for record in fetched.records:
            self._take(record)
        if fetched.complete_until_s is not None:
            # Not the highest ever: a clock that was set back must not let events through.
            self.complete_until_s = fetched.complete_until_s
            self.looks += 1

    def _take(self, record: ControlRecord) -> None:
        kind, colon, name = (record.key or b"").decode(errors="replace").partition(":")
        fold = FOLDS.get(kind)
        if not colon or fold is None:
            return  # another kind, of no concern here
        late_s = self.complete_until_s - record.timestamp / 1000
        if late_s > campaigns.ACTIVATION_S - MARGIN_S:
            _log.error(
                "control record %r came %.1f s after all before it was thought known: clocks of brokers and workers differ by "
                "more than %g s; events of that time may not be counted for it", name, late_s, campaigns.ACTIVATION_S - MARGIN_S,
            )  # fmt: skip
        held = self._held.setdefault(kind, {})
        if record.value is None:
            held.pop(name, None)
        else:
            try:
                held[name] = fold(name, held.get(name), record.value, record.timestamp)
            except ValueError as e:
                _log.warning("control record @%d %r is left out: %s", record.offset, name, e)
                return
        self.revision += 1
