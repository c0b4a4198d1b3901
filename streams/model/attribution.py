"""What moved a score from one that was told to the next, in points that add up to the difference (`model.md` 5).

A score is a function of R, G and A. From what was told last to what is told now they are changed one after the other, and each
step is worth what the score moves by it; so the steps add up whatever they are.

    formula       what was told last, against what the same counters give by the formula of now
    decay         R and G fade to the time of the newest event
    posts         A with the account's posts of now, engagements faded
    engagements   R, then G, then A, by what the engagements since added; in each of the three an engagement has the share
                  of the points that it has of what was added
    undone        what was taken back
    sampling      what an estimate moved beyond what can have happened

No engagement has less than nothing: R, G and A only grow by them, and the score with each of the three.

What engagements added to R and G is exact up to 32 people. A sketch can't tell who was among its people before, so there it is
what the estimate rose by; but never less than nothing, nor more than if all of them had been new. What is left is the sketch's
error.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streams.model import scoring
from streams.model.decay import fade
from streams.settings import Settings

Floats = NDArray[np.float64]
# Scores told are stored as 32-bit floats: a difference below this is no other formula's.
_STORED_TO = 1e-5


@dataclass(frozen=True, slots=True)
class Added:
    """Columns: by how much something changed E (or weight), R and G, at the entity's own time."""

    engaged: Floats
    reach: Floats
    network: Floats


@dataclass(frozen=True, slots=True)
class Attribution:
    """Columns of points, one value per entity; they add up to `after - before`.

    `by_reach`, `by_network` and `by_engaged` are what engagements are worth through R, G and A.
    """

    formula: Floats
    decay: Floats
    posts: Floats
    by_reach: Floats
    by_network: Floats
    by_engaged: Floats
    undone: Floats
    sampling: Floats


def attribute(
    before: Floats, told: NDArray[np.void], now: NDArray[np.void], sketched: NDArray[np.bool_], added: Added, undone: Added,
    settings: Settings,
) -> Attribution:  # fmt: skip
    """Return why scores moved.

    Args:
        before: scores that were told last.
        told: entity rows as they were then, or at a later time with nothing in between.
        now: entity rows.
        sketched: where R and G are estimates now.
        added: by engagements since; of an estimate, as if none of the people had been counted before.
        undone: by what was taken back since, 0 or less.
        settings: half-lives and weights.
    """
    left = fade(np.maximum(now["at"] - told["at"], 0.0), settings.half_life_slow_s)
    reach, reach_added, reach_error = _steps(told["reach"] * left, now["reach"], added.reach, undone.reach, sketched)
    network, network_added, network_error = _steps(
        told["network"] * left, now["network"], added.network, undone.network, sketched
    )
    standing_still = scoring.amplification_of(told, settings)
    then = scoring.posts_then(now["made"], now["at"], now["posted_at"].astype(np.float64), settings.half_life_slow_s)

    def amplified(engaged: Floats) -> Floats:
        return scoring.amplification(engaged, now["made"], then, settings)

    faded = now["engaged"] - added.engaged - undone.engaged
    by_posts, by_engaged, by_all = amplified(faded), amplified(faded + added.engaged), scoring.amplification_of(now, settings)
    more_reach, more_network = reach + reach_added, network + network_added
    steps = [
        before,
        scoring.score_of(told["reach"], told["network"], standing_still, settings),
        scoring.score_of(reach, network, standing_still, settings),
        scoring.score_of(reach, network, by_posts, settings),
        scoring.score_of(more_reach, network, by_posts, settings),
        scoring.score_of(more_reach, more_network, by_posts, settings),
        scoring.score_of(more_reach, more_network, by_engaged, settings),
        scoring.score_of(_sound(now["reach"] - reach_error), _sound(now["network"] - network_error), by_all, settings),
        scoring.score_of(now["reach"], now["network"], by_all, settings),
    ]
    steps[1] = np.where(np.abs(steps[1] - before) < _STORED_TO, before, steps[1])
    return Attribution(*np.diff(np.stack(steps), axis=0))


def _steps(
    faded: Floats, now: Floats, added: Floats, undone: Floats, sketched: NDArray[np.bool_]
) -> tuple[Floats, Floats, Floats]:
    """Return R (or G) with nothing new, what engagements added, and by how much it is in error more than before."""
    start = _sound(np.where(sketched, faded, now - added - undone))
    rise = now - start - undone
    feasible = np.where(sketched, np.clip(rise, 0.0, added), added)
    return start, feasible, np.where(sketched, rise - feasible, 0.0)


def _sound(count: Floats) -> Floats:
    """Return counts without the rounding that leaves less than nobody where equals were subtracted."""
    result: Floats = np.maximum(count, 0.0)
    return result
