"""The score of one row, written from the model in plain floats: what Redis must show, field by field."""

from __future__ import annotations

from math import inf, log, log2, sqrt
from typing import NamedTuple

import numpy as np

from streams.settings import Settings

_SKETCH_ERROR = 0.0627  # 1/sqrt(256 - 2)
_POINTS_PER_UNIT = 7.21
_ONE_A_DAY = 1 / 86400
_LEAST_TRENDING = 1e-9  # of an engagement


class Shown(NamedTuple):
    """Decimal fields of an entity's hash, and its keys on the two boards, None where it isn't on one."""

    fields: dict[str, float]
    standing_key: float | None
    trending_key: float | None


def shown(row: np.void, is_sketched: bool, settings: Settings) -> Shown:
    """Return what must be published of a row."""
    reach, network = float(row["reach"]), float(row["network"])
    engaged, made, fast, at = float(row["engaged"]), float(row["made"]), float(row["fast"]), float(row["at"])
    a = 0.0
    if made > 0:
        ratio = engaged / made / settings.usual_engagement_per_post
        lift = 2.5 * log2(ratio) if ratio > 0 else -inf
        # How much it is believed goes by the posts as they were at the last one.
        then = made * 2 ** min(1000.0, max(0.0, at - int(row["posted_at"])) / settings.half_life_slow_s)
        a = then / (then + settings.amplification_k) * min(10.0, max(-10.0, lift))
    base = reach + settings.network_weight * network
    influence = base * 2 ** (a / 5)
    points = [5 * log2(1 + x) for x in (reach, base, influence)]
    spread = settings.overdispersion * influence + ((_SKETCH_ERROR * influence) ** 2 if is_sketched else 0.0)
    pace = [
        max(x, 0.0) * log(2) / h + _ONE_A_DAY
        for x, h in ((fast, settings.half_life_fast_s), (engaged, settings.half_life_slow_s))
    ]
    fields = {
        "score": min(100.0, 1 + points[2]),
        "reach": reach,
        "network": network,
        "amplification": a,
        "reach_pts": points[0],
        "network_pts": points[1] - points[0],
        "amplification_pts": points[2] - points[1],
        "momentum": 5 * log2(pace[0] / pace[1]),
        "plus_minus": _POINTS_PER_UNIT * sqrt(spread) / (1 + influence),
        "at": at,
    }
    trending = fast if fast >= _LEAST_TRENDING else 0.0
    return Shown(fields, _key(influence, at, settings.half_life_slow_s), _key(trending, at, settings.half_life_fast_s))


def _key(value: float, at_s: float, half_life_s: float) -> float | None:
    return 5 * log2(value) + 5 * at_s / half_life_s if value > 0 else None
