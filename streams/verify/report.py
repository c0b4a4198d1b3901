"""What `verify` found: counts of what was compared, and the first mismatches."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

SHOWN = 20
_COUNTED = ("integers", "table integers")  # events against engagements, engagements against rows


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One value that is not what the recount gives; `where` is engagements, table, redis or dead-letters."""

    where: str
    entity: str
    field: str
    expected: Any
    found: Any

    def __str__(self) -> str:
        return f"{self.where}: {self.entity} {self.field}: expected {self.expected!r}, found {self.found!r}"


@dataclass
class Report:
    """The outcome of a recount.

    `compared` counts values by kind, `outcomes` has events by outcome as recounted and as published. `lost` and `doubled` add up
    how far exact counts are below and above the recount. `unapplied` is how many records the workers had still before them: with
    any, differences are to be expected.
    """

    entities: int = 0
    expired: int = 0
    events: int = 0
    engagements: int = 0
    unapplied: int = 0
    lost: int = 0
    doubled: int = 0
    compared: Counter[str] = field(default_factory=Counter)
    outcomes: dict[str, dict[str, int]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    mismatch_count: int = 0
    mismatches: list[Mismatch] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether everything compared was equal."""
        return not self.mismatch_count

    def add(self, where: str, entity: str, field: str, expected: Any, found: Any) -> None:
        """Count a mismatch; the first ones are kept."""
        self.mismatch_count += 1
        if len(self.mismatches) < SHOWN:
            self.mismatches.append(Mismatch(where, entity, field, expected, found))

    def expect(self, kind: str, where: str, entity: str, field: str, expected: object, found: object) -> None:
        """Compare two values of `kind` that must be equal."""
        self.compared[kind] += 1
        if expected != found:
            self.add(where, entity, field, expected, found)
            if kind in _COUNTED and field != "off" and isinstance(expected, int) and isinstance(found, int):
                self.lost += max(0, expected - found)
                self.doubled += max(0, found - expected)

    def as_dict(self) -> dict[str, Any]:
        """Return everything as JSON types."""
        return {"ok": self.ok, **asdict(self), "compared": dict(self.compared)}

    def lines(self) -> list[str]:
        """Return the report for people."""
        compared = ", ".join(f"{n:,} {kind}" for kind, n in sorted(self.compared.items()))
        lines = [
            f"{self.events:,} events, {self.engagements:,} engagements, {self.entities:,} entities ({self.expired:,} expired)",
            f"compared {compared}",
        ]
        for name, counts in self.outcomes.items():
            lines.append(f"{name}: " + ", ".join(f"{outcome} {n:,}" for outcome, n in counts.items()))
        lines += self.notes
        if self.ok:
            return [*lines, "all equal"]
        lines += [str(mismatch) for mismatch in self.mismatches]
        if self.mismatch_count > len(self.mismatches):
            lines.append(f"and {self.mismatch_count - len(self.mismatches):,} more")
        return [*lines, f"{self.mismatch_count:,} mismatches"]
