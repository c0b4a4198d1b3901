"""The simulated network: reproducible, valid by the event table, and with the shape of a real one."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from streams.simulation import Batch, generate
from streams.simulation.names import account_names
from streams.simulation.rhythm import daily_rhythm

START = 1_700_000_000.0
KINDS = {"tweet", "like", "share", "reply"}


def run(events: int, **arguments: Any) -> list[Batch]:
    chosen = {"accounts": 5000, "rate_per_s": 2000.0, "seed": 7, "start_time": START, **arguments}
    batches, count = [], 0
    for batch in generate(**chosen):
        batches.append(batch)
        count += len(batch.values)
        if count >= events:
            return batches
    raise AssertionError("the simulation has no end")


def decoded(batches: list[Batch]) -> Iterator[dict[str, Any]]:
    return map(msgspec.json.decode, itertools.chain.from_iterable(batch.values for batch in batches))


@pytest.fixture(scope="module")
def batches() -> list[Batch]:
    return run(80_000, swing_ratio=0.0)


@pytest.fixture(scope="module")
def events(batches: list[Batch]) -> list[dict[str, Any]]:
    return list(decoded(batches))


def test_the_same_seed_gives_the_same_bytes() -> None:
    first, second = run(5000), run(5000)
    assert [(b.until, b.keys, b.values) for b in first] == [(b.until, b.keys, b.values) for b in second]


def test_another_seed_gives_another_network() -> None:
    first = {(e["actor"], e["author"], e["at"]) for e in decoded(run(5000))}
    second = {(e["actor"], e["author"], e["at"]) for e in decoded(run(5000, seed=8))}
    assert len(first & second) < 10


def test_two_runs_never_share_an_event_id() -> None:
    first = {e["id"] for e in decoded(run(5000))}
    second = {e["id"] for e in decoded(run(5000, start_time=START + 60))}
    assert not first & second


def test_every_event_is_valid_by_the_event_table(batches: list[Batch], events: list[dict[str, Any]]) -> None:
    allowed = {"id", "kind", "actor", "author", "post", "at", "tags", "actor_since", "network", "undo"}
    for e in events:
        assert set(e) <= allowed
        assert all(1 <= len(e[name]) <= 256 and e[name].isprintable() for name in ("id", "actor", "author"))
        assert e["kind"] in KINDS
        assert len(e["post"]) <= 512
        assert (e["kind"] == "tweet") == (e["actor"] == e["author"])
        assert 0 < e["actor_since"] <= e["at"]
        assert all(isinstance(tag, str) and tag for tag in e["tags"])
        assert e.get("undo") in (None, True)
    values = itertools.chain.from_iterable(batch.values for batch in batches)
    assert max(map(len, values)) < 1000


def test_the_key_is_the_actor(batches: list[Batch], events: list[dict[str, Any]]) -> None:
    assert [e["actor"].encode() for e in events] == list(itertools.chain.from_iterable(batch.keys for batch in batches))


def test_ids_are_unique_and_an_undo_repeats_its_original_once(events: list[dict[str, Any]]) -> None:
    seen: dict[str, dict[str, Any]] = {}
    undone = set()
    for e in events:
        if e.get("undo"):
            original = seen[e["id"]]
            assert {**original, "undo": True} == e
            assert e["kind"] == "like"
            assert e["id"] not in undone
            undone.add(e["id"])
        else:
            assert e["id"] not in seen
            seen[e["id"]] = e
    assert 0 < len(undone) < 0.02 * len(events)


def test_events_come_in_the_order_of_time_and_no_later_than_their_batch_says(batches: list[Batch]) -> None:
    previous = START
    for batch in batches:
        times = [e["at"] for e in decoded([batch]) if not e.get("undo")]
        assert times == sorted(times)
        assert all(previous - 0.001 <= time <= batch.until + 0.001 for time in times)
        previous = batch.until


def test_the_rate_is_what_was_asked_for(batches: list[Batch], events: list[dict[str, Any]]) -> None:
    assert len(events) / (batches[-1].until - START) == pytest.approx(2000, rel=0.03)


def test_few_accounts_get_most_of_the_engagement_and_most_get_little(events: list[dict[str, Any]]) -> None:
    received = Counter(e["author"] for e in events if e["kind"] != "tweet" and "-" not in e["author"])
    ranked = [count for _, count in received.most_common()]
    top_hundredth = ranked[: max(1, len(ranked) // 100)]
    assert sum(top_hundredth) > 0.2 * sum(ranked)
    assert ranked[len(ranked) // 2] <= 20


def test_engagements_follow_their_post_quickly_at_first_and_long_after(events: list[dict[str, Any]]) -> None:
    posted = {e["post"]: e["at"] for e in events if e["kind"] == "tweet"}
    delays = sorted(e["at"] - posted[e["post"]] for e in events if e["kind"] != "tweet" and e["post"] in posted)
    assert delays[0] >= 0
    assert 1 < delays[len(delays) // 2] < 15
    assert delays[-1] > 20


def test_the_network_is_busier_in_the_evening_than_in_the_morning() -> None:
    day = run(60_000, day_s=24.0, swing_ratio=0.6, rate_per_s=2000.0)
    by_hour = Counter(int(e["at"] % 24) for e in decoded(day) if not e.get("undo") and e["at"] < START + 24)
    assert sum(by_hour[h] for h in (19, 20)) > 2.5 * sum(by_hour[h] for h in (7, 8))


def test_the_rhythm_of_a_day_has_a_mean_of_one() -> None:
    assert sum(daily_rhythm(hour * 3600.0, 86400.0, 0.6) for hour in range(24)) / 24 == pytest.approx(1)


def test_the_named_actors_are_there_and_do_what_their_names_say(events: list[dict[str, Any]]) -> None:
    engagements = [e for e in events if e["kind"] != "tweet"]
    bots = [e for e in engagements if e["actor"].startswith("bot-")]
    assert {e["author"] for e in bots} == {"client-of-bots"}
    assert {e["actor_since"] for e in bots} == {START}
    assert len(bots) > 0.02 * len(events)
    served = [e for e in engagements if e["actor"].startswith("service-")]
    assert len({e["author"] for e in served}) >= 3
    assert all(e["author"].startswith("client-of-service-") and e["kind"] == "share" for e in served)
    favours = [e for e in engagements if e["actor"].startswith("ring-") and e["author"].startswith("ring-")]
    assert {e["actor"] for e in favours} == {e["author"] for e in favours}
    assert all(e["actor"] != e["author"] for e in favours)


def test_honest_accounts_are_old_and_pronounceable(events: list[dict[str, Any]]) -> None:
    honest = [e for e in events if "-" not in e["actor"]]
    assert all(re.fullmatch(r"([bdfghjklmnprstvz][aeiou]){3,}[nrsl]?", e["actor"]) for e in honest)
    ages_s = sorted(START - e["actor_since"] for e in honest)
    assert ages_s[len(ages_s) // 2] > 365 * 86400


def test_a_burst_gets_far_more_than_the_same_account_does_otherwise(events: list[dict[str, Any]]) -> None:
    by_post = Counter(e["post"] for e in events if e["kind"] != "tweet" and e["author"].startswith("viral-"))
    counts = [count for _, count in by_post.most_common()]
    assert counts[0] > 1000
    assert counts[0] > 20 * counts[len(counts) // 2]
    burst = by_post.most_common(1)[0][0]
    assert len({e["actor"] for e in events if e["post"] == burst}) > 300


@pytest.mark.parametrize("count", [1, 500, 100_000])
def test_account_names_are_distinct(count: int) -> None:
    assert len(set(account_names(count))) == count


@pytest.mark.parametrize("accounts", [1, 3, 100])
def test_a_tiny_network_works_too(accounts: int) -> None:
    assert {e["kind"] for e in decoded(run(2000, accounts=accounts))} == KINDS
