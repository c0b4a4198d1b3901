"""Alerts end to end: rules while a worker runs, once each whatever is killed, webhooks, and what a rule would have said."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

import pytest
import redis
from harness import Deployment, deployment
from load import Record, send

from agents.alerter import Alerter
from agents.control import Control
from streams.alerts.judging import judge
from streams.alerts.rules import Rule, checked
from streams.alerts.rules import encode as encode_rule
from streams.alerts.webhook import signature
from streams.cli import main
from streams.control import hiding
from streams.control.state import ControlRecord, Fetched
from streams.embedded import EmbeddedRedis
from streams.redis.deliveries import Deliveries
from streams.redis.feed import Feed
from streams.secret import Secret
from streams.settings import PREFIX, Settings
from streams.tables.score_records import NUMBERS, Change, ScoreRecord

KEY = "a key of sixteen bytes or more"
NOW_S = time.time()
DAYS = 12


class Receiver(ThreadingHTTPServer):
    """Answers each call with the next of `answers`, a status or None for silence; then with 200."""

    daemon_threads = True

    def __init__(self, *answers: int | None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = list(answers)
        self.calls: list[tuple[dict[str, str], bytes]] = []
        self.goes_on = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_address[1]}/hook"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.goes_on.set()
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.calls.append((dict(self.headers), body))
        status = self.server.answers.pop(0) if self.server.answers else 200
        if status is None:
            self.server.goes_on.wait(60)
            return
        self.send_response(status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def receiver(request: pytest.FixtureRequest) -> Iterator[Receiver]:
    receiver = Receiver(*getattr(request, "param", ()))
    yield receiver
    receiver.close()


@pytest.fixture
def hooked(settings: Settings) -> Settings:
    """Settings whose workers sign, and may call this machine."""
    return Settings.from_environ(settings.to_environ(), webhook_secret=Secret(KEY), webhook_private_hosts="127.0.0.1")


def command(settings: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: str) -> Any:
    """Run an `alerts` command and return its JSON, a list of lines where it prints one object a line."""
    for name, value in settings.to_environ().items():
        monkeypatch.setenv(name, value)
    capsys.readouterr()
    assert main(["alerts", *words, "--json"]) == 0, capsys.readouterr().err
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    for name in settings.to_environ():
        monkeypatch.delenv(name)
    return lines[0] if len(lines) == 1 else lines


def event(number: str, kind: str, actor: str, author: str, at_s: float) -> Record:
    told = {"id": number, "kind": kind, "actor": actor, "author": author, "at": at_s, "actor_since": NOW_S - 4e8}
    return Record(actor.encode(), json.dumps(told).encode())


def life(author: str) -> list[Record]:
    """Return some days of an account that posts twice a day and is engaged with by three people."""
    records = []
    for half_day in range(2 * DAYS):
        at_s = NOW_S - 86_400 * DAYS + 43_200 * half_day
        records.append(event(f"{author}.{half_day}", "tweet", author, author, at_s))
        records += [event(f"{author}.{half_day}.{n}", "share", f"fan{n}", author, at_s + 60 * n) for n in range(1, 4)]
    return records


def burst(author: str, people: int = 120) -> list[Record]:
    return [event(f"{author}-{n}", "share", f"new{n}", author, NOW_S - 300 + n) for n in range(people)]


def alerts(running: Deployment) -> list[dict[str, Any]]:
    entries: Any = running.client.xrange(f"{running.settings.redis_prefix}alerts")
    return [json.loads(fields[b"json"]) for _, fields in entries]


def established(running: Deployment, *authors: str) -> None:
    """Have accounts be known, and those that will engage with them: who was never seen before isn't trusted."""
    known = [event(f"known{n}.{day}", "share", f"new{n}", "else", NOW_S - 86_400 * day) for n in range(120) for day in (3, 2, 1)]
    send(running.settings, [*known, *(record for author in authors for record in life(author))])
    running.settle()


def test_a_rule_added_while_a_worker_runs_alerts_of_a_burst_once_with_who_is_behind_it(
    hooked: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with deployment(hooked, workers=1) as running:
        established(running, "ann", "ben")
        rule = command(hooked, capsys, monkeypatch, "add", "jump", "--everybody")
        assert [r["id"] for r in _list(command(hooked, capsys, monkeypatch, "list"))] == [rule["id"]]
        time.sleep(2)  # workers have it within a second
        send(hooked, burst("ann"))
        running.settle()
        running.wait_for(lambda: alerts(running), "alert")
        (alert,) = alerts(running)
        assert (alert["rule"], alert["entity"], alert["kind"]) == (rule["id"], "account:ann", "jump")
        assert alert["behind"]["people"] >= 5
        assert alert["behind"]["shares"] > 0
        assert alert["causes"][0]["actor"].startswith("new")
        command(hooked, capsys, monkeypatch, "remove", rule["id"])
        time.sleep(2)
        send(hooked, burst("ben"))
        running.settle()
        assert len(alerts(running)) == 1

        (said,) = [
            alert for alert in _list(_tried(hooked, capsys, monkeypatch)) if alert["entity"] == "account:ben"
        ]  # the same rule, on what is recorded
        assert said["behind"]["people"] >= 5


def _tried(settings: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    rule = command(settings, capsys, monkeypatch, "add", "jump", "--everybody")
    return command(settings, capsys, monkeypatch, "test", rule["id"], "--since", "1h")


def _list(lines: Any) -> list[dict[str, Any]]:
    return lines if isinstance(lines, list) else [lines]


def test_no_alert_is_lost_or_repeated_when_workers_are_killed(
    hooked: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    authors = [f"author{n}" for n in range(8)]
    with deployment(hooked) as running:
        command(hooked, capsys, monkeypatch, "add", "jump", "--everybody", "--cooldown-s", "0")
        command(hooked, capsys, monkeypatch, "add", "crosses", "--everybody", "--value", "15", "--cooldown-s", "0")
        worker = running.start()
        established(running, *authors)
        for author in authors:
            send(hooked, burst(author))
            before = running.position()
            running.wait_for(lambda before=before: running.position() > before, "progress")
            running.kill(worker)
            worker = running.start()
        running.settle()
        found = alerts(running)
        jumps = sorted(alert["entity"] for alert in found if alert["kind"] == "jump")
        assert jumps == sorted(f"account:{author}" for author in authors)
        ids = [alert["id"] for alert in found]
        assert len(ids) == len(set(ids))
        held = {a["entity"]: a["score"] for a in found if a["kind"] == "crosses"}
        assert set(held) >= {f"account:{author}" for author in authors}


async def test_a_surge_that_is_made_anew_after_a_crash_is_not_alerted_again(settings: Settings) -> None:
    rule = checked(Rule(id="j", kind="jump", scope="all", points=2.0, cooldown_s=0.0))
    feed = Feed(settings)
    try:
        # Alerted of with version 50; then folded again from version 40 on, in other steps, and later there is another one.
        for ver, began, written in ((50, 41, 1), (50, 41, 0), (60, 41, 0), (60, 46, 0), (90, 80, 1), (95, 80, 0)):
            (alert,) = judge([rule], jumped(ver, began), settings)
            assert await feed.write([alert], "") == written
    finally:
        await feed.close()


async def test_a_goal_that_takes_the_place_of_one_just_told_of_is_told_of_at_once(settings: Settings) -> None:
    feed = Feed(settings)
    try:
        # Goal and likes by version. Versions come again when a worker reads scores anew; then the new goal is judged by them.
        for value, ver, likes, written in (
            (1_234_567, 50, 1_234_568, 1), (1_234_567, 51, 1_234_569, 0),
            (1_234_569, 51, 1_234_569, 1), (1_234_569, 52, 1_234_570, 0), (1_234_568, 50, 1_234_568, 1),
        ):  # fmt: skip
            rule = checked(Rule(id="g", kind="goal", entity="account:ann", measure="likes", value=value))
            numbers = ",".join(str({"ver": ver, "likes": likes}.get(name, 1.0)) for name in NUMBERS)
            (alert,) = judge([rule], ScoreRecord('"account:ann"', numbers, None), settings)
            assert await feed.write([alert], "") == written
    finally:
        await feed.close()


def jumped(ver: int, began: int) -> ScoreRecord:
    """Return a score of a version, with a jump by a surge that began at one."""
    numbers = ",".join(str(ver) if name == "ver" else "1.0" for name in NUMBERS)
    surge = {"began": began, "z": 9.0, "counted": 9.0, "expected": 1.0, "people": 9, "likes": 9, "shares": 0, "replies": 0}
    return ScoreRecord('"account:ann"', numbers, Change("10.0", "16.0", "[]", "6.0", json.dumps({**surge, "low_trust": 0})))


def test_the_first_places_of_a_board_are_looked_at(
    hooked: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with deployment(hooked, workers=2) as running:
        established(running, "ann")
        rule = command(hooked, capsys, monkeypatch, "add", "top", "-n", "1", "--everybody")
        key = f"{hooked.redis_prefix}alerts:top:{rule['id']}"
        running.wait_for(lambda: running.client.exists(key), "first look")
        leader = running.reader.top(n=1)[0].account
        send(hooked, burst("late", 120))
        running.settle()
        running.wait_for(lambda: len(alerts(running)) == 2, "alerts of the board")
        by_entity = {alert["entity"]: alert for alert in alerts(running)}
        assert by_entity[f"account:{leader}"]["displaced_by"] == ["late"]
        assert (by_entity["account:late"]["rank"], by_entity["account:late"]["displaced"]) == (1, [leader])
        assert by_entity["account:late"]["causes"]


async def test_who_is_hidden_neither_enters_nor_takes_one_of_the_first_places(settings: Settings) -> None:
    rule = checked(Rule(id="first", kind="top", scope="all", n=2, cooldown_s=0.0))
    app: Any = SimpleNamespace(
        settings=settings, control=Control(), clock=time, owned={0}, counters=SimpleNamespace(alerts=0),
        new_feed=lambda: Feed(settings),
    )  # fmt: skip
    told = [("rule:first", encode_rule(rule)), ("hide:bot", hiding.encode())]
    records = [ControlRecord(i, 0, key.encode(), value) for i, (key, value) in enumerate(told)]
    app.control.state.apply(Fetched(records, NOW_S))
    board, feed = f"{settings.redis_prefix}board:all:standing", f"{settings.redis_prefix}alerts"
    at_s = 5 * NOW_S / settings.half_life_slow_s  # a key of this is an influence of 1
    with redis.Redis.from_url(settings.redis) as client:
        client.set(f"{settings.redis_prefix}epoch", "1")
        client.zadd(board, {"bot": at_s + 30, "ann": at_s + 20, "ben": at_s + 10, "cid": at_s})
        alerting = asyncio.create_task(Alerter(app).run())
        try:
            await _until(lambda: b"ben" in (client.get(f"{feed}:top:first") or b""))
            client.zadd(board, {"bot": at_s + 5, "other": at_s + 40})  # both move; one is hidden
            await _until(lambda: client.xlen(feed) == 2)
        finally:
            alerting.cancel()
        entries: Any = client.xrange(feed)
    entered, left = sorted((json.loads(fields[b"json"]) for _, fields in entries), key=lambda alert: not alert["entered"])
    assert (entered["entity"], entered["rank"], entered["displaced"]) == ("account:other", 1, ["ben"])
    assert (left["entity"], left["displaced_by"]) == ("account:ben", ["other"])


async def _until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.05)


def test_a_rule_with_a_webhook_says_that_there_is_no_key_to_sign_with_where_there_is_none(
    settings: Settings, hooked: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("jump", "--everybody", "--webhook", "https://example.com/hook?token=hunter2", "--json")
    with deployment(settings):
        for given, says in ((settings, "CLOUTSTREAM_WEBHOOK_SECRET holds 0 bytes"), (hooked, "")):
            for name, value in given.to_environ().items():
                monkeypatch.setenv(name, value)
            assert main(["alerts", "add", *words]) == 0
            out, err = capsys.readouterr()
            assert json.loads(out)["webhook"] == "example.com"
            assert (says in err, bool(err), "hunter2" in err) == (True, bool(says), False)
        assert main(["alerts", "add", *words, "--secret-file", "hook.key"]) == 0
        assert "CLOUTSTREAM_WEBHOOK_SECRETS_DIR is ''" in capsys.readouterr().err


@pytest.mark.parametrize("receiver", [(500, None, 200)], indirect=True)
def test_a_webhook_that_fails_and_hangs_gets_each_alert_signed_until_it_takes_it(
    receiver: Receiver, hooked: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with deployment(hooked, workers=2) as running:
        command(hooked, capsys, monkeypatch, "add", "goal", "--account", "ann", "--value", "3", "--webhook", receiver.url)
        time.sleep(2)
        send(hooked, [event(f"l{n}", "like", f"p{n}", "ann", NOW_S) for n in range(5)])
        running.settle()
        running.wait_for(lambda: len(receiver.calls) >= 3, "third call", 60)
        _nothing_pending(running)
        assert len(receiver.calls) == 3
        assert len({body for _, body in receiver.calls}) == 1
        for headers, body in receiver.calls:
            at_s = int(headers["Cloutstream-Signature"].partition(",")[0].removeprefix("t="))
            assert headers["Cloutstream-Signature"] == signature(KEY.encode(), at_s, body)
            assert headers["Cloutstream-Alert"] == json.loads(body)["id"] == alerts(running)[0]["id"]
        assert not running.client.exists(f"{hooked.redis_prefix}alerts:undelivered")


def _nothing_pending(running: Deployment) -> None:
    client: Any = running.client
    running.wait_for(
        lambda: client.xpending(f"{running.settings.redis_prefix}alerts", "webhooks")["pending"] == 0, "acknowledgement"
    )


@pytest.mark.parametrize("receiver", [(410,)], indirect=True)
def test_what_a_webhook_refuses_is_put_aside_with_the_reason_and_without_the_url(
    receiver: Receiver, hooked: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with deployment(hooked, workers=1) as running:
        url = receiver.url + "?token=hunter2"
        rule = command(hooked, capsys, monkeypatch, "add", "goal", "--account", "ann", "--value", "1", "--webhook", url)
        assert rule["webhook"] == "127.0.0.1"
        time.sleep(2)
        send(hooked, [event("l", "like", "p", "ann", NOW_S)])
        running.settle()
        running.wait_for(lambda: running.client.exists(f"{hooked.redis_prefix}alerts:undelivered"), "what isn't delivered")
        late = command(hooked, capsys, monkeypatch, "undelivered")[0]
        assert (late["rule"], late["why"], late["attempts"]) == (rule["id"], "127.0.0.1 answered 410", "1")
        assert "hunter2" not in running.workers[0].log()
        _nothing_pending(running)


def test_a_redis_that_was_wiped_gets_a_group_and_a_feed_anew(
    server: EmbeddedRedis,
    receiver: Receiver,
    hooked: Settings,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = Settings.from_environ(hooked.to_environ(), redis=server.url)
    with deployment(own, workers=1) as running:
        command(own, capsys, monkeypatch, "add", "crosses", "--everybody", "--value", "3", "--webhook", receiver.url)
        time.sleep(2)
        send(own, burst("ann", 20))
        running.settle()
        running.wait_for(lambda: receiver.calls, "a call")
        redis.Redis.from_url(own.redis).flushall()
        running.settle()
        send(own, burst("ben", 20))
        running.settle()
        running.wait_for(lambda: len(receiver.calls) >= 2, "a call after the wipe")
        assert [alert["entity"] for alert in alerts(running)] == ["account:ben"]


async def test_what_a_worker_left_behind_is_claimed_by_another(settings: Settings, redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        first, second = Deliveries(settings), Deliveries(settings, claim_after_s=0.001)
        assert await first.new(10) == []  # makes the group
        client.xadd(f"{settings.redis_prefix}alerts", {"json": '{"id":"a","rule":"r"}'})
        (taken,) = await first.new(10)
        assert await second.new(10) == []
        (claimed,) = await second.left_behind(10)
        assert claimed == taken
        await second.give_up(claimed, "why", 3)
        assert await second.left_behind(10) == []
        (entry,) = client.xrange(f"{settings.redis_prefix}alerts:undelivered")  # type: ignore[misc]  # redis-py's types
        assert entry[1] == {b"json": taken.body, b"why": b"why", b"attempts": b"3"}
        await first.close()
        await second.close()


def test_commands_refuse_what_is_not_there(
    settings: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with deployment(settings):
        assert command(settings, capsys, monkeypatch, "list") == []
        for name, value in settings.to_environ().items():
            if name != PREFIX + "REDIS_PREFIX":
                monkeypatch.setenv(name, value)
        assert main(["alerts", "remove", "nothing"]) == 2
        assert "no rule 'nothing'" in capsys.readouterr().err
        assert main(["alerts", "test", "nothing", "--since", "1h"]) == 2
