"""Campaigns made and ended while a worker runs: what counts is a function of the logs, whatever happens to the worker."""

from __future__ import annotations

import asyncio
import json
import statistics
import threading
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from harness import Deployment, deployment
from load import Record, send

from streams.cli import main
from streams.control import following
from streams.control.campaigns import Campaign, Goal, encode
from streams.control.editing import add_campaign, end_campaign
from streams.control.following import follow
from streams.control.reading import control_records, read_control
from streams.control.state import MARGIN_S, ControlState, Fetched
from streams.errors import UsageError
from streams.kafka.clients import producer
from streams.kafka.topics import create_topics
from streams.settings import Settings

Run = Callable[..., Any]


@pytest.fixture
def run(settings: Settings, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Run:
    """Run a `campaign` command and return its parsed JSON."""
    for name, value in settings.to_environ().items():
        monkeypatch.setenv(name, value)

    def run(*words: str) -> Any:
        assert main(["campaign", *words, "--json"]) == 0
        return json.loads(capfdbinary.readouterr().out)

    return run


def events(numbers: range, **more: Any) -> list[Record]:
    """Return likes of as many fans, with ids of their own."""
    made = [{"id": f"e{n}", "kind": "like", "actor": f"fan{n}", "author": "ann", "at": time.time(), **more} for n in numbers]
    return [Record(e["actor"].encode(), msgspec.json.encode(e)) for e in made]


def wait_until(at_ms: int | None) -> None:
    """Return when the broker's clock, which is this machine's, is past a time."""
    assert at_ms is not None
    while time.time() * 1000 <= at_ms:
        time.sleep(0.01)


def test_a_campaign_counts_from_when_it_was_made_until_its_end_through_a_kill(settings: Settings, run: Run) -> None:
    with deployment(settings, workers=1) as running:
        (worker,) = running.workers
        send(settings, events(range(5), tags=["launch"]))
        running.settle()
        made = run("add", "launch", "--tag", "launch", "--account", "st@r", "--goal", "likes=40")
        wait_until(made["since_ms"])
        send(settings, events(range(5, 15), tags=["launch"]) + events(range(15, 20), author="st@r"))
        running.settle()
        running.kill(worker)
        send(settings, events(range(20, 25), tags=["else", "launch"]) + events(range(5, 8), tags=["launch"]))  # three again
        running.start()
        running.settle()
        running.wait_for(lambda: counts(running, "launch") == (20, 20), "likes and people")  # people are told a little later
        newest = json.loads(running.client.lindex(f"{settings.redis_prefix}minutes:campaign:launch", 0))
        assert newest[1:] == [0, 20, 0, 0]
        assert run("show", "launch")["per_minute"]["likes"] > 0
        wait_until(run("end", "launch")["ended_ms"])
        send(settings, events(range(25, 30), tags=["launch"]))
        running.settle()
        assert counts(running, "launch") == (20, 20)
        shown = run("show", "launch")
        assert (shown["engagements"], shown["people"], shown["share_of_voice"]) == (20, 20, 1.0)
        assert {place["account"]: place["likes"] for place in shown["top"]} == {"ann": 15, "st@r": 5}
        assert (shown["progress"]["ratio"], shown["progress"]["of"]) == (0.5, "likes")
        (listed,) = run("list")
        assert (listed["name"], listed["is_over"], listed["likes"]) == ("launch", True, 20)
        assert set(running.client.hkeys(f"{settings.redis_prefix}campaigns")) == {b"launch"}
        running.assert_equal()


def counts(running: Deployment, name: str) -> tuple[int, int]:
    """Return a campaign's likes and people, as published."""
    (totals,) = [campaign.totals for campaign in running.reader.campaigns() if campaign.id == name]
    return totals.likes, totals.people


def test_a_report_recounts_the_campaign_and_its_posts(settings: Settings, run: Run, tmp_path: Path) -> None:
    with deployment(settings, workers=1) as running:
        send(settings, events(range(5), tags=["launch"], post="first"))
        wait_until(run("add", "launch", "--tag", "launch")["since_ms"])
        wait_until(run("add", "rival", "--account", "ann")["since_ms"])
        send(settings, events(range(5, 15), tags=["launch"], post="first") + events(range(15, 18), tags=["launch"], author="ben"))
        send(settings, events(range(20, 26), tags=["launch"], post="<second>", author="ben") + events(range(30, 32)))
        send(settings, events(range(26, 27), tags=["launch"], author="ben", post="<second>", undo=True))
        running.settle()
        report = run("report", "launch")
        assert report["top_posts"] == [
            {"post": "first", "account": "ann", "likes": 10, "shares": 0, "replies": 0},
            {"post": "<second>", "account": "ben", "likes": 5, "shares": 0, "replies": 0},
        ]
        assert (report["totals"]["likes"], report["totals"]["people"]) == (18, 19)
        assert report["live"]["likes"] == 18
        assert report["share_of_voice"] == round(18 / 30, 4)
        assert {row["account"]: row["likes"] for row in report["contributors"]} == {"ann": 10, "ben": 8}
        assert "top_posts" in report
        assert run("report", "launch", "--no-posts")["top_posts"] is None
        path = tmp_path / "page.html"
        assert main(["campaign", "report", "launch", "--out", str(path)]) == 0
        assert "<bdi>ben: &lt;second&gt;</bdi>" in path.read_text()
        assert main(["campaign", "report", "launch", "--out", str(tmp_path / "no" / "page.html")]) == 2
        assert main(["campaign", "report", "nobody"]) == 2


def test_what_a_wiped_redis_knew_of_campaigns_comes_back(settings: Settings) -> None:
    with deployment(settings, workers=1) as running:
        campaign = add_campaign(settings, Campaign("launch", tags=("launch",)))
        wait_until(campaign.since_ms)
        send(settings, events(range(10), tags=["launch"]))
        running.settle()
        assert counts(running, "launch") == (10, 10)
        running.client.delete(*running.client.scan_iter(f"{settings.redis_prefix}*"))  # at once, or what is rebuilt goes, too
        running.wait_for(lambda: running.reader.is_complete(), "Redis complete again")
        assert counts(running, "launch") == (10, 10)
        assert running.client.hkeys(f"{settings.redis_prefix}campaigns") == [b"launch"]
        running.assert_equal()


def test_what_can_not_be_made_or_ended_is_refused(settings: Settings) -> None:
    create_topics(settings)
    wanted = Campaign("launch", tags=("ai",), goal=Goal("likes", 5.0))
    with pytest.raises(UsageError, match="no campaign 'launch'; `cloutstream campaign list` names them"):
        end_campaign(settings, "launch")
    made = add_campaign(settings, wanted)
    assert read_control(settings).campaigns == [made]
    with pytest.raises(UsageError, match="'launch' is there already"):
        add_campaign(settings, wanted)
    ended = end_campaign(settings, "launch")
    assert read_control(settings).campaigns == [ended]
    with pytest.raises(UsageError, match="has ended already"):
        end_campaign(settings, "launch")


def test_of_several_who_make_a_campaign_at_once_one_does_and_the_last_record_says_so(settings: Settings) -> None:
    create_topics(settings)
    outcomes: list[object] = []

    def make(number: int) -> None:
        try:
            outcomes.append(add_campaign(settings, Campaign("launch", tags=(f"tag{number}",))))
        except UsageError as e:
            outcomes.append(e)

    threads = [threading.Thread(target=make, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (made,) = [outcome for outcome in outcomes if isinstance(outcome, Campaign)]
    assert read_control(settings).campaigns == [made]
    alone = ControlState()
    alone.apply(Fetched(control_records(settings)[-1:], None))
    assert alone.campaigns == [made]


async def test_what_is_followed_is_complete_up_to_when_a_fetch_began_and_not_beyond(settings: Settings) -> None:
    create_topics(settings)
    began_s = time.time()
    state, known = ControlState(), []
    source = follow(settings)

    async def read_until(condition: Callable[[], bool]) -> None:
        while not condition():
            fetched = await asyncio.wait_for(anext(source), 20)
            state.apply(fetched)
            known.append((state.complete_until_s, len(state.campaigns), time.time()))

    try:
        await read_until(lambda: state.is_read)
        for number in range(5):
            asked_s = time.time()
            await asyncio.to_thread(put, settings, f"c{number}")
            await read_until(
                lambda number=number, asked_s=asked_s: len(state.campaigns) > number and state.complete_until_s > asked_s
            )
    finally:
        await source.aclose()
    made_s = [record.timestamp / 1000 for record in control_records(settings)]
    assert len(made_s) == 5
    for until_s, held, at_s in (look for look in known if look[0] > 0):
        assert began_s - 1 < until_s < at_s
        # Half a tick of the broker's millisecond.
        assert held >= sum(m + 0.001 < until_s for m in made_s)


def put(settings: Settings, name: str) -> None:
    """Write a campaign's record."""
    client = producer(settings)
    try:
        client.send(
            settings.control_topic, key=f"campaign:{name}".encode(), value=encode(Campaign(name, tags=("x",))), partition=0
        ).get(10)
    finally:
        client.close()


async def test_an_empty_topic_is_asked_for_as_often_as_intake_needs_it_and_not_more(settings: Settings) -> None:
    create_topics(settings)
    known: list[tuple[float, float]] = []  # until when, and when that was learnt

    async def learn() -> None:
        async for fetched in follow(settings):
            if fetched.complete_until_s is not None:
                known.append((fetched.complete_until_s, time.time()))

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(learn(), 5.0)
    assert len(known) <= 5.0 / (following.FETCH_WAIT_MS / 1000) + 2
    # Intake holds back what is newer than the margin allows: what is known must not grow so old before more is.
    oldest_s = [learnt_s - until_s for (until_s, _), (_, learnt_s) in pairwise(known)]
    assert statistics.median(oldest_s) < 0.75 * MARGIN_S
