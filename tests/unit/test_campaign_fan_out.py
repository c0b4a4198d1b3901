"""Which events count for which campaigns, and what the independent recount makes of the same."""

from __future__ import annotations

import json
import random
from typing import Any

import numpy as np
import pytest

from streams.control.campaigns import Campaign, encode
from streams.intake.campaigns import Watchlist
from streams.intake.named import accounts_of
from streams.verify.campaigns import Campaigns
from streams.verify.event import parse

SINCE_MS = 1_700_000_000_000
SINCE_S = SINCE_MS / 1000


def counted(campaigns: list[Campaign], *events: dict[str, Any], broker_ms: int = SINCE_MS + 5000) -> list[list[str]]:
    """Return for each event the campaigns it counts for, by name; an event has `at` and `ms`, else both are the broker's time."""
    accounts = accounts_of(["someone"] * len(events), [e["author"] for e in events], 4)
    taken_ms = np.array([e.get("ms", broker_ms) for e in events])
    at = np.array([e.get("at", ms / 1000) for e, ms in zip(events, taken_ms.tolist(), strict=True)])
    found = Watchlist(campaigns).matches([e.get("tags") for e in events], accounts, at, taken_ms)
    names: list[list[str]] = [[] for _ in events]
    for event, campaign in zip(found.event.tolist(), found.campaign.tolist(), strict=True):
        names[event].append(campaigns[campaign].name)
    return names


def test_an_event_counts_by_any_of_its_tags_or_by_its_author_and_once() -> None:
    both = Campaign("both", tags=("ai", "ml"), accounts=("ann", "us@er"), since_ms=SINCE_MS)
    tagged = Campaign("tagged", tags=("ml",), since_ms=SINCE_MS)
    events = [
        {"author": "ann", "tags": ["ai", "ml", "ai"]}, {"author": "us@er"}, {"author": "ben", "tags": ["x", "ml"]},
        {"author": "ben", "tags": ["AI"]}, {"author": "ben"}, {"author": "account:ann", "tags": []},
    ]  # fmt: skip
    assert counted([both, tagged], *events) == [["both", "tagged"], ["both"], ["both", "tagged"], [], [], []]


@pytest.mark.parametrize(
    ("event", "counts"),
    [
        ({"ms": SINCE_MS - 1}, False),
        ({"ms": SINCE_MS}, True),
        ({"ms": SINCE_MS + 9_999}, True),
        ({"ms": SINCE_MS + 10_000}, False),
        ({"at": SINCE_S + 0.999}, False),
        ({"at": SINCE_S + 1.0}, True),
        ({"at": SINCE_S + 3.999}, True),
        ({"at": SINCE_S + 4.0}, False),
    ],
)
def test_times_bound_what_counts(event: dict[str, Any], counts: bool) -> None:
    is_by_broker = "ms" in event
    campaign = Campaign(
        "c", accounts=("ann",), since_ms=SINCE_MS, ended_ms=SINCE_MS + 10_000,
        from_s=0.0 if is_by_broker else SINCE_S + 1.0, to_s=None if is_by_broker else SINCE_S + 4.0,
    )  # fmt: skip
    assert counted([campaign], {"author": "ann", **event}) == [["c"] if counts else []]


def test_without_a_begin_of_its_own_a_campaign_counts_what_happened_since_it_was_made() -> None:
    campaign = Campaign("c", accounts=("ann",), since_ms=SINCE_MS)
    earlier, later = {"author": "ann", "at": SINCE_S - 0.001}, {"author": "ann", "at": SINCE_S}
    assert counted([campaign], earlier, later) == [[], ["c"]]


def test_no_campaign_matches_nothing() -> None:
    found = Watchlist().matches([["x"]], accounts_of(["a"], ["b"], 4), np.array([1.0]), np.array([1]))
    assert (len(found.event), len(found.campaign)) == (0, 0)


def test_the_recount_counts_the_same_events_by_the_rule_alone() -> None:
    rng = random.Random(7)
    campaigns, recount = [], Campaigns()
    for number in range(40):
        campaign = Campaign(
            f"c@{number}", tags=tuple(rng.sample(["a", "b", "c@d", "%"], rng.randint(0, 2))), accounts=(f"p{rng.randint(0, 9)}",),
            from_s=rng.choice([None, 1.0, SINCE_S + rng.uniform(-5, 5)]), to_s=rng.choice([None, SINCE_S + rng.uniform(6, 20)]),
            since_ms=SINCE_MS + rng.randint(-3000, 3000), ended_ms=rng.choice([None, SINCE_MS + rng.randint(4000, 20_000)]),
        )  # fmt: skip
        campaigns.append(campaign)
        recount.tell(f"campaign:{campaign.name}".encode(), encode(campaign), 5)
    events, expected = [], []
    for number in range(500):
        ms = SINCE_MS + rng.randint(-5000, 20_000)
        event = {"author": f"p{rng.randint(0, 12)}", "tags": rng.sample(["a", "b", "c@d", "%", "e"], rng.randint(0, 3))}
        at = min(ms / 1000, ms / 1000 - rng.choice([0.0, 0.0, 3.0]))
        events.append({**event, "ms": ms, "at": at})
        sent = parse(json.dumps({"id": f"e{number}", "kind": "like", "actor": "a", "at": at, **event}).encode())
        assert sent is not None
        expected.append(sorted(recount.entities_of(sent, ms)))
    found = [sorted(f"campaign:{name.replace('@', '%40')}" for name in names) for names in counted(campaigns, *events)]
    assert expected == found
    assert sum(map(len, found)) > 500
