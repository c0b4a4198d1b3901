"""What the records of the control topic say together, and up to when that is known."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from streams.control.campaigns import ACTIVATION_S, GOALS, MOST_ACCOUNTS, Campaign, Goal, checked, encode
from streams.control.state import MARGIN_S, ControlRecord, ControlState, Fetched
from streams.errors import CloutstreamError, UsageError

MADE_MS, LATER_MS = 1_700_000_000_000, 1_700_000_060_000
ACTIVATION_MS = int(ACTIVATION_S * 1000)
LAUNCH = Campaign("launch", tags=("ai", "ml"), accounts=("ann@host",), goal=Goal("likes", 1000.0), to_s=1.8e9)


def told(*records: tuple[str, bytes | None, int], state: ControlState | None = None) -> ControlState:
    """Return what records of (key, value, broker's time) say after one another."""
    state = state or ControlState()
    found = [ControlRecord(i, timestamp, key.encode(), value) for i, (key, value, timestamp) in enumerate(records)]
    state.apply(Fetched(found, None))
    return state


def test_a_campaign_counts_from_when_every_worker_may_know_of_it() -> None:
    found = told(("campaign:launch", encode(LAUNCH), MADE_MS)).campaign("launch")
    assert found == replace(LAUNCH, since_ms=MADE_MS + ACTIVATION_MS)
    assert found is not None
    assert found.starts_s == (MADE_MS + ACTIVATION_MS) / 1000
    assert found.entity == "campaign:launch"


def test_the_record_of_the_end_says_all() -> None:
    made = told(("campaign:launch", encode(LAUNCH), MADE_MS))
    held = made.campaign("launch")
    assert held is not None
    end = ("campaign:launch", encode(held, ends=True), LATER_MS)
    expected = replace(held, ended_ms=LATER_MS + ACTIVATION_MS)
    assert told(end, state=made).campaign("launch") == expected
    assert told(end).campaign("launch") == expected  # the first was compacted away


def test_of_several_first_records_and_of_several_ends_the_first_counts() -> None:
    other = replace(LAUNCH, tags=("else",))
    state = told(("campaign:launch", encode(LAUNCH), MADE_MS), ("campaign:launch", encode(other), MADE_MS + 5))
    held = state.campaign("launch")
    assert held == replace(LAUNCH, since_ms=MADE_MS + ACTIVATION_MS)
    assert held is not None
    ends = [("campaign:launch", encode(held, ends=True), at_ms) for at_ms in (LATER_MS, LATER_MS + 9)]
    ended = told(*ends, ("campaign:launch", encode(held), LATER_MS + 10), state=state).campaign("launch")
    assert ended == replace(held, ended_ms=LATER_MS + ACTIVATION_MS)
    assert ended is not None
    assert told(("campaign:launch", encode(ended), LATER_MS + 99)).campaign("launch") == ended  # told again as it is


def test_null_takes_a_definition_away_and_other_kinds_are_left_alone() -> None:
    state = told(("campaign:launch", encode(LAUNCH), MADE_MS), ("rule:7", b"{}", MADE_MS), ("odd", b"{}", MADE_MS))
    assert [c.name for c in state.campaigns] == ["launch"]
    before = state.revision
    assert told(("campaign:launch", None, LATER_MS), state=state).campaigns == []
    assert state.revision > before


@pytest.mark.parametrize(
    "value",
    [
        b"no json", b"[]", b"{}", b'{"version":1}', b'{"version":"1"}',
        json.dumps({**json.loads(encode(LAUNCH)), "tags": [], "accounts": []}).encode(),
        json.dumps({**json.loads(encode(LAUNCH)), "tags": [7]}).encode(),
        json.dumps({**json.loads(encode(LAUNCH)), "goal": {"of": "likes"}}).encode(),
        json.dumps({**json.loads(encode(LAUNCH)), "since_ms": "then"}).encode(),
        json.dumps({**json.loads(encode(LAUNCH)), "to_s": "soon"}).encode(),
    ],
)  # fmt: skip
def test_what_is_no_campaign_is_left_out_and_what_was_stays(value: bytes) -> None:
    state = told(("campaign:launch", encode(LAUNCH), MADE_MS))
    assert told(("campaign:launch", value, LATER_MS), ("campaign:x", value, LATER_MS), state=state).campaigns == state.campaigns
    assert [c.name for c in state.campaigns] == ["launch"]


def test_a_record_of_a_newer_release_is_an_error() -> None:
    value = json.dumps({**json.loads(encode(LAUNCH)), "version": 2}).encode()
    with pytest.raises(CloutstreamError, match="version 2; expected 1"):
        told(("campaign:launch", value, MADE_MS))


def test_events_may_be_taken_a_margin_beyond_what_is_complete() -> None:
    state = ControlState()
    assert not state.is_read
    assert state.takes_until_s == float("-inf")
    state.apply(Fetched([], None))
    assert not state.is_read
    state.apply(Fetched([], 100.0))
    assert state.takes_until_s == 100.0 + MARGIN_S
    state.apply(Fetched([], 40.0))  # the clock was set back
    assert state.takes_until_s == 40.0 + MARGIN_S


def test_a_record_that_comes_too_late_to_be_counted_by_is_told(caplog: pytest.LogCaptureFixture) -> None:
    state = ControlState()
    state.apply(Fetched([], MADE_MS / 1000 + ACTIVATION_S - MARGIN_S))
    told(("campaign:in-time", encode(LAUNCH), MADE_MS), state=state)
    assert not caplog.records
    told(("campaign:late", encode(LAUNCH), MADE_MS - 1), state=state)
    assert "'late'" in caplog.text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": ""}, "name is ''"),
        ({"name": "x" * 65}, "1 to 64 characters without control characters"),
        ({"name": "a\nb"}, "name is 'a\\\\nb'"),
        ({"tags": (), "accounts": ()}, "no tags and no accounts"),
        ({"tags": ("ok", "\x1b[2J")}, "tag is"),
        ({"accounts": ("",)}, "account is ''"),
        ({"accounts": ("x",) * (MOST_ACCOUNTS + 1)}, "at most 10000"),
        ({"from_s": 100.0, "to_s": 100.0}, "expected a time after 100"),
    ],
)
def test_what_can_not_be_a_campaign_is_refused_with_the_reason(change: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        checked(replace(LAUNCH, **change))
    assert checked(LAUNCH) == LAUNCH


def test_a_goal_is_a_number_of_something_that_is_counted() -> None:
    assert [Goal.parse(f"{name}=2.5") for name in GOALS] == [Goal(name, 2.5) for name in GOALS]
    for text in ("likes", "likes=", "likes=0", "likes=-1", "likes=nan", "likes=many", "fame=1", "=1"):
        with pytest.raises(UsageError, match="NAME=NUMBER above 0, with NAME one of posts, "):
            Goal.parse(text)
