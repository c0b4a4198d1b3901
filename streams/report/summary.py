"""The report on a campaign as plain values: what `campaign report --json` prints, and what the page is drawn from."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streams.control.campaigns import Campaign
from streams.model.uplift import uplift
from streams.report.gather import Gathered, Moments
from streams.report.posts import Post

MOST_SHOWN = 20
MOST_BINS = 120
_BINS_S = (60, 300, 900, 3600, 3 * 3600, 6 * 3600, 86400, 7 * 86400)
_KINDS = ("posts", "likes", "shares", "replies")
_ENGAGED = (1, 2, 3)


def summary(
    campaign: Campaign, found: Gathered, posts: list[Post] | None, live: dict[str, Any] | None, now_s: float
) -> dict[str, Any]:
    """Return the report.

    Args:
        campaign: as defined.
        found: what the log has of it.
        posts: its top posts; None where nobody looked.
        live: what is published of it now, for reach and score; None where nothing is.
        now_s: epoch s.
    """
    start_s, end_s = window(campaign, found.counted, now_s)
    edges = edges_of(start_s, end_s)
    kinds = dict(zip(_KINDS, (found.counted.binned(edges, (kind,)) for kind in range(4)), strict=True))
    totals = {name: int(found.counted.sign[found.counted.kind == kind].sum()) for kind, name in enumerate(_KINDS)}
    engagements = sum(totals[name] for name in _KINDS[1:])
    voices = sum(n for n in found.rivals.values() if n > 0)
    contributors = sorted(found.accounts.items(), key=lambda item: (-sum(item[1][1:]), item[0]))[:MOST_SHOWN]
    return {
        "version": 1,
        "campaign": campaign.as_dict(),
        "made_at": round(now_s, 3),
        "is_over": campaign.is_over(now_s),
        "is_whole": found.is_whole,
        "start": round(start_s, 3),
        "end": round(end_s, 3),
        "totals": {**totals, "engagements": engagements, "people": len(found.people), "accounts": len(found.accounts)},
        "live": live,
        "per_minute": round(engagements * 60 / max(60.0, end_s - start_s), 4),
        "share_of_voice": round(engagements / voices, 4) if voices > 0 else None,
        "series": {"bin_s": round(float(edges[1] - edges[0])), "from": round(float(edges[0]), 3), **kinds},
        "contributors": [{"account": name, **dict(zip(_KINDS, counts, strict=True))} for name, counts in contributors],
        "engagers": [{"account": name, "engagements": n} for name, n in found.actors.most_common(MOST_SHOWN)],
        "top_posts": None if posts is None else [_post(post) for post in posts],
        "uplift": _uplift(found, start_s, end_s),
    }  # fmt: skip


def window(campaign: Campaign, counted: Moments, now_s: float) -> tuple[float, float]:
    """Return from when to when a campaign counted so far, epoch s."""
    if campaign.starts_s < campaign.since_ms / 1000 and len(counted.at):  # recorded events: their times are long past
        return float(counted.at.min()), float(counted.at.max()) + 1.0
    start_s = min(campaign.starts_s, now_s)
    ends = [now_s, campaign.to_s or now_s, now_s if campaign.ended_ms is None else campaign.ended_ms / 1000]
    return start_s, max(start_s + 1.0, min(ends))


def edges_of(start_s: float, end_s: float) -> NDArray[np.float64]:
    """Return the edges of bins over a time, epoch s, of a length that people count in; at most `MOST_BINS` where they last."""
    length_s = end_s - start_s
    bin_s = next((b for b in _BINS_S if length_s <= b * MOST_BINS), _BINS_S[-1])
    first = np.floor(start_s / bin_s) * bin_s
    return np.arange(first, end_s + bin_s, bin_s, dtype=np.float64)


def _uplift(found: Gathered, start_s: float, end_s: float) -> dict[str, Any] | None:
    """Compare the accounts' engagements during the campaign with those before; None where there is too little to compare."""
    before_s, during_s = start_s - found.log_from_s, end_s - start_s
    shorter_s = min(before_s, during_s)
    if not 0 < shorter_s < np.inf:
        return None
    bin_s = min(3600.0, shorter_s / 10)  # an hour; of less than ten hours, a tenth
    before = found.received.binned(start_s - bin_s * np.arange(int(before_s / bin_s), -1, -1, dtype=np.float64), _ENGAGED)
    during = found.received.binned(start_s + bin_s * np.arange(int(during_s / bin_s) + 1, dtype=np.float64), _ENGAGED)
    result = uplift(before, during, bin_s)
    if result is None:
        return None
    rounded = {name: round(value, 4) for name, value in asdict(result).items()}
    return {**rounded, "bin_s": round(bin_s, 3), "before": before, "during": during, "baseline_s": round(before_s)}


def _post(post: Post) -> dict[str, Any]:
    return {"post": post.id, "account": post.author, **dict(zip(_KINDS[1:], post.counts, strict=True))}
