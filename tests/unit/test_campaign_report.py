"""The report on a campaign: its numbers against counts by hand, and a page that hostile names can't break."""

from __future__ import annotations

import json
import random
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from streams.cli.report_page import page
from streams.control.campaigns import Campaign, Goal
from streams.events.engagements import encode
from streams.intake.campaigns import Watchlist
from streams.intake.take import take
from streams.kafka.range import Range
from streams.model.uplift import uplift
from streams.report.gather import Gathered
from streams.report.gather import take as gather
from streams.report.posts import Post
from streams.report.summary import edges_of, summary
from streams.settings import Settings
from streams.tables.actor_rows import ActorRows
from streams.tables.entity_rows import EntityRows
from streams.verify.log import log_of

START_S = 1_700_000_000.0
HOUR_S = 3600.0
SETTINGS = Settings(partitions=1)


def gathered(campaigns: list[Campaign], events: list[dict[str, Any]]) -> Gathered:
    """Return what the engagements of events, taken when they happened, say of the first of some campaigns."""
    actors, entities = ActorRows(), EntityRows(SETTINGS)
    values = [json.dumps({"id": f"e{i}", **event}).encode() for i, event in enumerate(events)]
    stamps = [int(event["at"] * 1000) for event in events]
    content = Range("events", 0, [*range(len(values))], stamps, [None] * len(values), [*values], 0)
    taken = take([content], actors, entities, SETTINGS, Watchlist(campaigns))
    assert not taken.refused
    found = Gathered()
    log = log_of(((i, encode(record)) for i, (_, record) in enumerate(taken.engagements)), 0, len(taken.engagements))
    gather(found, log, campaigns[0])
    return found


def like(actor: str, author: str, hours: float, kind: str = "like", **more: Any) -> dict[str, Any]:
    return {"kind": kind, "actor": actor, "author": author, "at": START_S + hours * HOUR_S, **more}


def test_the_numbers_of_a_report_are_those_of_its_events() -> None:
    campaign = Campaign("launch", tags=("new",), accounts=("ann",), goal=Goal("likes", 5.0), since_ms=int(START_S * 1000))
    rival = Campaign("rival", tags=("other",), since_ms=int(START_S * 1000))
    found = gathered(
        [campaign, rival],
        [
            like("bob", "ann", -1.0),  # before it
            like("ann", "ann", 0.1, "tweet"), like("bob", "ann", 0.2), like("bob", "ann", 0.3, "reply"),
            like("cat", "b@n", 1.1, "share", tags=["new"]), like("dan", "b@n", 1.2, tags=["other", "new"]),
            like("dan", "eve", 1.3, tags=["other"]), like("cat", "ann", 1.4), like("cat", "ann", 1.4, undo=True),
        ],
    )  # fmt: skip
    report = summary(campaign, found, None, None, START_S + 2 * HOUR_S)
    assert report["totals"] == {
        "posts": 1, "likes": 2, "shares": 1, "replies": 1, "engagements": 4, "people": 3, "accounts": 2,
    }  # fmt: skip
    assert report["share_of_voice"] == round(4 / 6, 4)
    assert report["per_minute"] == round(4 / 120, 4)
    assert report["contributors"][0] == {"account": "ann", "posts": 1, "likes": 1, "shares": 0, "replies": 1}
    assert report["engagers"] == [{"account": "bob", "engagements": 2}, {"account": "cat", "engagements": 1},
                                  {"account": "dan", "engagements": 1}]  # fmt: skip
    assert report["series"]["bin_s"] == 60
    assert sum(report["series"]["likes"]) == 2
    assert (report["is_over"], report["is_whole"], report["uplift"]) == (False, True, None)


def test_uplift_compares_the_accounts_with_themselves() -> None:
    rng = random.Random(3)
    campaign = Campaign("launch", accounts=("ann",), since_ms=int(START_S * 1000))
    quiet = [like(f"f{i}", "ann", rng.uniform(-24, 0)) for i in range(240)]
    lively = [like(f"g{i}", "ann", rng.uniform(0, 12)) for i in range(360)]
    others = [like(f"h{i}", "ben", rng.uniform(-24, 12)) for i in range(100)]
    found = gathered([campaign], sorted(quiet + lively + others, key=lambda event: event["at"]))
    report = summary(campaign, found, None, None, START_S + 12 * HOUR_S)["uplift"]
    assert report["ratio"] == pytest.approx(3.0, rel=0.02)
    assert report["low"] < 3.0 < report["high"]
    assert (len(report["before"]), len(report["during"]), sum(report["during"])) == (23, 12, 360)


def test_the_interval_of_uplift_holds_the_truth_as_often_as_it_says_also_in_bunches() -> None:
    rng = random.Random(11)

    def bunched(rate: float, bins: int) -> list[int]:
        return [sum(4 for _ in range(1000) if rng.random() < rate / 4000) for _ in range(bins)]  # fours: a dispersion of 4

    held = 0
    for _ in range(200):
        found = uplift(bunched(40.0, 48), bunched(60.0, 24), HOUR_S)
        assert found is not None
        held += found.low <= 1.5 <= found.high
    assert 180 <= held <= 199  # 95 % of 200, give or take three standard deviations


def test_of_too_little_no_uplift_is_told() -> None:
    assert uplift([1] * 4, [2] * 10, HOUR_S) is None
    assert uplift([0, 4] * 2, [2] * 10, HOUR_S) is None
    assert uplift([1] * 10, [0, 0, 0, 0, 4], HOUR_S) is None
    assert uplift([1] * 10, [0, 0, 0, 0, 5], HOUR_S) is not None


@pytest.mark.parametrize("lasted_s", [1.0, 60.0, 7200.0, 7201.0, 86400.0, 30 * 86400.0])
def test_bins_cover_all_of_a_campaign(lasted_s: float) -> None:
    edges = edges_of(START_S, START_S + lasted_s)
    assert edges[0] <= START_S
    assert edges[-1] >= START_S + lasted_s
    assert 2 <= len(edges) <= 123


HOSTILE = [
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "</svg><iframe src=https://example.com>", "a\u202eb",
    "'; background: url(https://example.com)", "&lt;b&gt;", "</title><style>*{display:none}</style>", "user@host", "🦀" * 40,
]  # fmt: skip


class Seen(HTMLParser):
    """The tags and attributes of a page, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: dict[str, set[str]] = {}
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            self.attributes.setdefault(name, set()).add(value or "")

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_text_wherever_it_stands(name: str) -> None:
    campaign = Campaign(name, tags=(name,), accounts=(name,), goal=Goal("likes", 5.0), since_ms=int(START_S * 1000))
    found = gathered([campaign], [like("bob" if i % 2 else "eve" + name[:50], name, i / 10) for i in range(-100, 40)])
    posts = [Post(name, name, [1, 2, 3])]
    report = summary(campaign, found, posts, {"reach": 1.0, "score": 2.0}, START_S + 4 * HOUR_S)
    assert report["uplift"] is not None
    text = page(report)
    seen = Seen()
    seen.feed(text)
    assert seen.tags == {
        "html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "b", "bdi", "dl", "div", "dt", "dd", "svg", "rect",
        "line", "text", "table", "tr", "th", "td",
    }  # fmt: skip
    assert not [a for a in seen.attributes if a.startswith("on") or a in ("src", "href", "style", "srcset", "action")]
    assert "\u202e" not in text
    assert not re.findall(r"url\(|@import|https?://", re.sub(r"<(bdi|text|title)[^>]*>[^<]*</\1>", "", text))
    assert seen.text.count("a\\u202eb" if "\u202e" in name else name[:30].strip()) >= 3
