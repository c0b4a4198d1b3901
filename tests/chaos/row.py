"""What a fault leaves: one row of the table, and what had to hold."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from typing import Any

from streams.errors import CloutstreamError


class NotPlayable(CloutstreamError):
    """A fault can't be played on this machine; the message says what it needs."""


@dataclass
class Limit:
    """One thing that had to hold: `value` at most `bound` (or at least, where `is_least`).

    `is_speed` says that it tells how fast, which a busy machine may miss without anything being wrong.
    """

    what: str
    value: float
    bound: float
    is_least: bool = False
    is_speed: bool = False

    @property
    def held(self) -> bool:
        """Whether it held."""
        return self.value >= self.bound if self.is_least else self.value <= self.bound

    def __str__(self) -> str:
        sign = ">=" if self.is_least else "<="
        return f"{self.what} {self.value:.4g} ({'' if self.held else 'MISSED, '}{sign} {self.bound:g})"


@dataclass
class Row:
    """One fault's outcome. Times in s.

    `longest_pause_s` is the longest time in which nothing of a partition was committed though there was work; `recover_s` the
    longest of its rounds from the end of a fault until all that had been sent by then was committed. None: not measured.
    """

    fault: str
    seed: int
    rounds: int = 0
    events: int = 0
    lost: int = 0
    doubled: int = 0
    longest_pause_s: float | None = None
    recover_s: float | None = None
    took_s: float = 0.0
    limits: list[Limit] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    is_unequal: bool = False  # a recount found other values
    not_played: str = ""  # why this machine can't
    started: str = field(default_factory=lambda: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))

    @property
    def is_met(self) -> bool:
        """Whether everything was equal and every limit held."""
        return not self.wrong and not self.not_played and not self.missed

    @property
    def missed(self) -> list[Limit]:
        """The limits that did not hold."""
        return [limit for limit in self.limits if not limit.held]

    @property
    def is_right(self) -> bool:
        """Whether it was played, everything was equal and every limit held that doesn't tell how fast."""
        return not self.wrong and not self.not_played and all(limit.is_speed for limit in self.missed)

    @property
    def is_finding(self) -> bool:
        """Whether something was seen that must never be, however seldom it comes: other values, or a limit passed."""
        return self.is_unequal or any(not limit.is_speed and not limit.is_least for limit in self.missed)

    @property
    def said(self) -> list[str]:
        """What else is to be told of it."""
        return [*self.notes, *self.wrong, *filter(None, [self.not_played])]

    def paused(self, seconds: float) -> None:
        """Note a pause."""
        self.longest_pause_s = max(self.longest_pause_s or 0.0, seconds)

    def recovered(self, seconds: float) -> None:
        """Note how long a recovery took."""
        self.recover_s = max(self.recover_s or 0.0, seconds)

    def at_most(self, what: str, value: float, bound: float, *, is_speed: bool = False) -> None:
        """Note a value that must not pass a bound; of several with the same name the worst is kept."""
        self._limit(Limit(what, value, bound, is_speed=is_speed))

    def at_least(self, what: str, value: float, bound: float, *, is_speed: bool = False) -> None:
        """Note a value that must reach a bound; of several with the same name the worst is kept."""
        self._limit(Limit(what, value, bound, is_least=True, is_speed=is_speed))

    def _limit(self, limit: Limit) -> None:
        for held in self.limits:
            if held.what == limit.what:
                held.value = (min if limit.is_least else max)(held.value, limit.value)
                return
        self.limits.append(limit)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON types."""
        return {**asdict(self), "limits": [str(limit) for limit in self.limits], "verdict": self.verdict}

    @property
    def verdict(self) -> str:
        """`met`, `MISSED` or `not played`."""
        return "not played" if self.not_played else "met" if self.is_met else "MISSED"


HEADINGS = ["Fault", "Rounds", "Events", "Lost", "Doubled", "Longest pause", "To recover", "Verdict"]


def cells(row: Row) -> list[str]:
    """Return a row's cells in the order of `HEADINGS`."""
    numbers = [f"{row.rounds:,}", f"{row.events:,}", f"{row.lost:,}", f"{row.doubled:,}"]
    times = ["-" if s is None else f"{s:.1f} s" for s in (row.longest_pause_s, row.recover_s)]
    return [row.fault, *numbers, *times, row.verdict]


def markdown(rows: list[Row]) -> str:
    """Return the table for docs/reliability.md, with what else was measured under each fault's name."""
    lines = [" | ".join(["", *HEADINGS, "Measured", ""]).strip(), "|---" * (len(HEADINGS) + 1) + "|"]
    for row in rows:
        measured = "; ".join([*map(str, row.limits), *row.said])
        lines.append("| " + " | ".join([*cells(row), measured]) + " |")
    return "\n".join(lines)
