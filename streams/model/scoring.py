"""From counters to a score, its parts, its error and its place on a board (`model.md` 1, 5, 6).

    I     = (R + b G) * 2^(A/5)
    score = min(100, 1 + 5 log2(1 + I))        five points are twice the influence
    A     = P'/(P' + k) * clip(2.5 log2((E/P)/m), -10, 10)

P' is P as it was at the account's last post. With P as it is now an engagement after a long silence would find fewer posts
behind an A that stood still until then, and lower the score; so only posting changes how much A is believed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streams.settings import Settings

Floats = NDArray[np.float64]
MOMENTUM_FLOOR_PER_S = 1.0 / 86400.0  # one engagement a day: below that "twice the pace" says nothing
SKETCH_RELATIVE_ERROR = 0.0627  # 1/sqrt(m - 2) at m = 256 registers
# Nobody trends by less of an engagement: it may be what rounding left of one that was taken back.
LEAST_TRENDING = 1e-9


@dataclass(frozen=True, slots=True)
class Scores:
    """Columns, one value per entity, exact at each entity's own time."""

    score: Floats
    amplification: Floats
    reach_pts: Floats
    network_pts: Floats
    amplification_pts: Floats
    plus_minus: Floats
    momentum: Floats
    standing_key: Floats
    trending_key: Floats


def _log2_or_minus_inf(x: Floats) -> Floats:
    with np.errstate(divide="ignore"):
        return np.log2(x)


def posts_then(posts: Floats, at_s: Floats, posted_at_s: Floats, half_life_s: float) -> Floats:
    """Return P', the decayed posts as they were at the last post: P(at) * 2^((at - posted_at)/h)."""
    return posts * np.exp2(np.clip((at_s - posted_at_s) / half_life_s, 0.0, 1000.0))


def amplification(engaged: Floats, posts: Floats, then: Floats, settings: Settings) -> Floats:
    """Return A, points: how much more (or less) than usual an account's posts are engaged with; 0 without posts.

    Args:
        engaged: E, decayed.
        posts: P, decayed to the same time.
        then: P', see `posts_then`.
        settings: k and m.
    """
    k, m = settings.amplification_k, settings.usual_engagement_per_post
    has_posts = posts > 0
    lift = _log2_or_minus_inf(np.maximum(engaged, 0.0)) - np.log2(np.where(has_posts, posts, 1.0)) - np.log2(m)
    return np.where(has_posts, then / (then + k) * np.clip(2.5 * lift, -10, 10), 0.0)


def amplification_of(rows: NDArray[np.void], settings: Settings) -> Floats:
    """Return A of entity rows."""
    then = posts_then(rows["made"], rows["at"], rows["posted_at"].astype(np.float64), settings.half_life_slow_s)
    return amplification(rows["engaged"], rows["made"], then, settings)


def score(
    reach: Floats, network: Floats, a: Floats, engaged: Floats, fast: Floats, at_s: Floats, sketched: NDArray[np.bool_],
    settings: Settings,
) -> Scores:  # fmt: skip
    """Return the scores of entities whose counters stand at `at_s`.

    Args:
        reach: R, decayed count of distinct people.
        network: G, the same weighted by their standing.
        a: A, amplification, points.
        engaged: E, decayed weighted engagements (slow).
        fast: X, decayed weighted engagements (fast).
        at_s: the time all of these are exact at, epoch s.
        sketched: where R and G are estimates of a sketch.
        settings: half-lives and weights.
    """
    base = reach + settings.network_weight * network
    influence = base * np.exp2(a / 5)
    r_pts = 5 * np.log2(1 + reach)
    rn_pts = 5 * np.log2(1 + base)
    full = 5 * np.log2(1 + influence)
    slow, quick = settings.half_life_slow_s, settings.half_life_fast_s
    ln2 = np.log(2.0)
    momentum = 5 * np.log2(
        (np.maximum(fast, 0) * ln2 / quick + MOMENTUM_FLOOR_PER_S) / (np.maximum(engaged, 0) * ln2 / slow + MOMENTUM_FLOOR_PER_S)
    )
    return Scores(
        score=np.minimum(100.0, 1 + full),
        amplification=a,
        reach_pts=r_pts,
        network_pts=rn_pts - r_pts,
        amplification_pts=full - rn_pts,
        plus_minus=_plus_minus(influence, sketched, settings.overdispersion),
        momentum=momentum,
        standing_key=5 * _log2_or_minus_inf(influence) + 5 * at_s / slow,
        trending_key=5 * _log2_or_minus_inf(np.where(fast >= LEAST_TRENDING, fast, 0.0)) + 5 * at_s / quick,
    )


def score_of(reach: Floats, network: Floats, a: Floats, settings: Settings) -> Floats:
    """Return the scores of R, G and A alone."""
    influence = (reach + settings.network_weight * network) * np.exp2(a / 5)
    result: Floats = np.minimum(100.0, 1 + 5 * np.log2(1 + influence))
    return result


def score_rows(rows: NDArray[np.void], sketched: NDArray[np.bool_], settings: Settings) -> Scores:
    """Return the scores of entity rows, each as of its own `at`."""
    a = amplification_of(rows, settings)
    return score(rows["reach"], rows["network"], a, rows["engaged"], rows["fast"], rows["at"], sketched, settings)


def _plus_minus(influence: Floats, sketched: NDArray[np.bool_], overdispersion: float) -> Floats:
    """Return the half-width in points: 7.21 sqrt(f I)/(1 + I), and the sketch's own error in quadrature."""
    slope = 7.21 / (1 + influence)  # points per unit of influence: 5/ln 2
    sampling = np.where(sketched, SKETCH_RELATIVE_ERROR * influence, 0.0)
    half_width: Floats = slope * np.sqrt(overdispersion * influence + sampling**2)
    return half_width


def today(key: float, now_s: float, half_life_s: float) -> float:
    """Return today's score from a standing key.

    >>> round(today(5 * 10.0, 0.0, 1.0), 2)  # I = 2^10
    51.01
    """
    return min(100.0, 1 + 5 * float(np.log2(1 + np.exp2((key - 5 * now_s / half_life_s) / 5))))
