"""Shadow scoring: the scores of all rows under another formula, beside those in force (`model.md` 5).

Both are of the same rows at the same event times, so what differs is the formula alone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streams.errors import UsageError
from streams.model.scoring import score_rows
from streams.settings import PREFIX, Settings
from streams.tables.rescoring import FAR_POINTS, MOST_FAR
from streams.verify.table import Table

# What scores are computed with from what rows hold. Weights, trust and half-lives went into each engagement when it was taken.
CHOICES = ("network_weight", "amplification_k", "usual_engagement_per_post")
STEPS = (0.5, 1.0, 2.0, 5.0, FAR_POINTS)
FIRST = 100
_ACCOUNT = b"account:"

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Shadow:
    """Scores before and after, shapes (n,), of entities called `names`; `kept` of the first `first` accounts stay among them."""

    names: list[bytes]
    before: Floats
    after: Floats
    first: int
    kept: int

    @property
    def moved(self) -> dict[float, int]:
        """Points -> how many entities move by more than that."""
        points = np.abs(self.after - self.before)
        return {step: int((points > step).sum()) for step in STEPS}

    @property
    def is_breaking(self) -> bool:
        """Whether a worker would refuse to publish it without being told to."""
        return self.moved[FAR_POINTS] > MOST_FAR * len(self.names)

    def most_moved(self, n: int) -> list[dict[str, Any]]:
        """Return the `n` entities that move most, farthest first."""
        order = np.argsort(-np.abs(self.after - self.before), kind="stable")[:n].tolist()
        return [
            {"entity": self.names[i].decode(), "before": round(float(self.before[i]), 4), "after": round(float(self.after[i]), 4)}
            for i in order
            if self.before[i] != self.after[i]
        ]

    def as_dict(self, n: int) -> dict[str, Any]:
        """Return the outcome as published in JSON, with the `n` entities that move most."""
        return {
            "entities": len(self.names),
            "moved": {f"{step:g}": count for step, count in self.moved.items()},
            "first": self.first,
            "kept": self.kept,
            "is_breaking": self.is_breaking,
            "most_moved": self.most_moved(n),
        }


def with_settings(settings: Settings, assignments: Iterable[str]) -> Settings:
    """Return settings with some of `CHOICES` replaced, each given as NAME=VALUE.

    Raises:
        UsageError: not one of them.
        ConfigurationError: a value isn't valid.
    """
    environ = settings.to_environ()
    for assignment in assignments:
        name, is_assigned, value = assignment.partition("=")
        if name not in CHOICES or not is_assigned:
            raise UsageError(
                f"--set {assignment}: expected NAME=VALUE with one of {', '.join(CHOICES)}; other settings went into each "
                "engagement when it was taken: only counting again, with another CLOUTSTREAM_APP_ID, shows what they do"
            )
        environ[PREFIX + name.upper()] = value
    return Settings.from_environ(environ)


def compare(tables: Iterable[Table], before: Settings | None, after: Settings) -> Shadow:
    """Return the scores of all rows with two formulas.

    Args:
        tables: of all partitions.
        before: settings of the first; None compares with the scores that were told.
        after: settings of the second.
    """
    tables = list(tables)
    names = [name for table in tables for name in table.names]
    rows = np.concatenate([table.rows for table in tables])
    sketched = np.concatenate([table.sketched for table in tables])
    then = score_rows(rows, sketched, after)
    if before is None:
        # What is told lags behind by less than a change event's threshold: smaller differences are no change of formula.
        told = rows["published"].astype(np.float64)
        known = np.where(np.abs(then.score - told) < after.change_threshold, then.score, told)
        places = known + 5 * rows["at"] / after.half_life_slow_s
    else:
        now = score_rows(rows, sketched, before)
        known, places = now.score, now.standing_key
    accounts = np.array([name.startswith(_ACCOUNT) and b"@" not in name for name in names], dtype=bool)
    first = min(FIRST, int(accounts.sum()))
    heads = [set(_head(keys, accounts, first)) for keys in (places, then.standing_key)]
    return Shadow(names, known, then.score, first, len(heads[0] & heads[1]))


def _head(keys: Floats, accounts: NDArray[np.bool_], first: int) -> list[int]:
    ranked = np.where(accounts, keys, -np.inf)
    return [int(i) for i in np.argsort(-ranked, kind="stable")[:first]]


assert {*CHOICES} <= {f.name for f in dataclasses.fields(Settings)}
