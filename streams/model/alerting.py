"""Whether somebody is engaged with far more than usual (`model.md` 6).

    z = 2 sqrt(2) (sqrt(X) - sqrt(x)) / sqrt(f)

X is the fast counter and x what it would hold at the usual pace. A decayed count of independent contacts has half the variance
of a plain one, and the square root of a count has a constant variance, so z is close to a standard normal while traffic is
steady. Three things would make it large without anything having happened, and are taken out:

- a young log: a counter of age T holds only h (1 - 2^(-T/h))/ln 2 seconds of traffic, the slow and the fast one differently;
- the time of day: x goes up and down with what everybody else gets now, against what they got in a day;
- posts: engagements come in bunches, one a post. Of a sum of bunches f is the mean square of a bunch over its mean.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streams.model import scoring
from streams.model.decay import fade
from streams.settings import Settings

Floats = NDArray[np.float64]
FIRE_Z, CLEAR_Z = 5.0, 2.0
LEAST_PEOPLE = 5  # distinct and trusted
# What an account gets that is older than a month and was active on one day: fresh fakes, however many, stay below.
TRUSTED = 0.25
LEAST_POINTS = 2.0
KNOWN_AFTER = 2.0  # fast half-lives: whom nobody knew before has no usual pace
# How much posts of one account differ: mean square over squared mean of what they draw. A log-normal's of sigma 1 differ by e,
# and shares make the simulated network's differ more; with 2.5 there were 1.5 false alarms in a thousand account-days of it.
POSTS_DIFFER = 3.5
# Before anything is known of an account it is taken to have made one post that drew one.
_ASSUMED_POSTS = _ASSUMED_ENGAGED = 1.0
# A day's rhythm is no more than a few to one; beyond, something happened to many at once, or hardly anybody is there.
_RHYTHM_LIMIT = 4.0
_RHYTHM_FLOOR = 10.0  # weighted engagements: of fewer a ratio says nothing


def span_s(age_s: Floats, half_life_s: float) -> Floats:
    """Return how many seconds of steady traffic a decayed counter of age T holds, times ln 2: h (1 - 2^(-T/h)).

    >>> span_s(np.array([0.0, 60.0, 1e9]), 60.0).tolist()
    [0.0, 30.0, 60.0]
    """
    return half_life_s * (1 - fade(age_s, half_life_s))


def rhythm(fast: Floats, day: Floats, log_age_s: Floats, settings: Settings) -> Floats:
    """Return how busy everybody is now against their day: 1 when as ever.

    Args:
        fast: decayed weighted engagements of everybody else, fast half-life.
        day: the same, day half-life, at the same time.
        log_age_s: since the first of them.
        settings: half-lives.
    """
    quick, slow = span_s(log_age_s, settings.half_life_fast_s), span_s(log_age_s, settings.half_life_day_s)
    usual = np.maximum(day, 0.0) * quick / np.maximum(slow, 1.0)
    ratio = (np.maximum(fast, 0.0) + _RHYTHM_FLOOR) / (usual + _RHYTHM_FLOOR)
    return np.clip(ratio, 1 / _RHYTHM_LIMIT, _RHYTHM_LIMIT)


def expected(engaged: Floats, fast: Floats, age_s: Floats, settings: Settings) -> Floats:
    """Return x: what the fast counter would hold at the usual pace, before the daily rhythm.

    The usual pace is that of E - X, so that what is to be judged has the least part in it. At a steady pace r both counters are
    known, E - X = r (S - F)/ln 2 and x = r F/ln 2, with S and F what they span.

    Args:
        engaged: E, decayed weighted engagements (slow).
        fast: X, the same (fast), at the same time.
        age_s: since the first engagement or post.
        settings: half-lives.
    """
    quick, slow = span_s(age_s, settings.half_life_fast_s), span_s(age_s, settings.half_life_slow_s)
    x: Floats = np.maximum(engaged - fast, 0.0) * quick / np.maximum(slow - quick, 1e-9)
    return x


def bunching(engaged: Floats, fast: Floats, posts: Floats, settings: Settings) -> Floats:
    """Return f: how far engagements come in bunches, at least `settings.overdispersion`.

    Args:
        engaged: E.
        fast: X; what came lately is not taken for usual.
        posts: P, decayed as E is.
        settings: the least f.
    """
    drawn = np.where(posts > 0, np.maximum(engaged - fast, 0.0), 0.0)
    per_post = (drawn + _ASSUMED_ENGAGED) / (np.maximum(posts, 0.0) + _ASSUMED_POSTS)
    return np.maximum(per_post * POSTS_DIFFER, settings.overdispersion)


def surprise(counted: Floats, expected: Floats, bunching: Floats) -> Floats:
    """Return z of a count against what was expected; 0 where both are alike.

    >>> surprise(np.array([4.0, 9.0]), np.array([4.0, 4.0]), np.array([1.0, 8.0])).tolist()
    [0.0, 1.0]
    """
    z: Floats = 2 * np.sqrt(2) * (np.sqrt(np.maximum(counted, 0.0)) - np.sqrt(np.maximum(expected, 0.0))) / np.sqrt(bunching)
    return z


def score_at(state: NDArray[np.void], at_s: Floats, settings: Settings) -> Floats:
    """Return the scores of entity rows as they have faded to `at_s`, at or after their own time."""
    left = fade(np.maximum(at_s - state["at"], 0.0), settings.half_life_slow_s)
    return scoring.score_of(state["reach"] * left, state["network"] * left, scoring.amplification_of(state, settings), settings)
