"""Forgetting a person while workers run: nothing names them any more, and they stay forgotten, whatever happens then."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from harness import Deployment, deployment
from load import Record, send
from processes import ROOT

from streams.alerts.rules import Rule, checked
from streams.alerts.rules import encode as encode_rule
from streams.cli import main
from streams.control.forgetting import id_of
from streams.control.writing import write
from streams.kafka.reading import read_topic
from streams.settings import PREFIX, Settings

RITA = "rita{1}@höst%é"
FORMS = (RITA, "rita%7B1%7D%40höst%25é", json.dumps(RITA)[1:-1])
Run = Callable[..., Any]
# A worker that looks through Redis for ever, for whom it is to take out.
ERASING_THAT_NEVER_ENDS = """
import asyncio, sys
from streams.cli import main
from streams.redis.forgetting import Eraser

async def looking(self, *_):
    await asyncio.sleep(3600)

Eraser.erase_changes = looking
sys.exit(main(["worker"]))
"""


@pytest.fixture
def run(settings: Settings, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Run:
    """Run a command and return its parsed JSON."""
    for name, value in settings.to_environ().items():
        monkeypatch.setenv(name, value)

    def run(*words: str) -> Any:
        assert main(list(words)) == 0
        return json.loads(capfdbinary.readouterr().out)

    return run


def event(id: str, kind: str, actor: str, author: str, **more: Any) -> Record:
    """Return a record of one event, now, in a topic."""
    made = {"id": id, "kind": kind, "actor": actor, "author": author, "at": time.time(), "tags": ["ai"], **more}
    return Record(actor.encode(), msgspec.json.encode(made))


def lifes_work() -> list[Record]:
    """Return what Rita did and had done to her, among what others did: `ann` has more people than an exact set holds."""
    return [
        event("post", "tweet", RITA, RITA),
        *(event(f"f{n}", "share", f"fan{n}", RITA) for n in range(12)),
        *(event(f"a{n}", "share", f"fan{n}", "ann") for n in range(40)),
        event("to-ann", "share", RITA, "ann"),
        event("to-bob", "share", RITA, "bob"),
        event("to-cem", "like", RITA, "cem"),
    ]


def names_in_redis(running: Deployment) -> list[bytes]:
    """Return the keys of the deployment that have Rita's id in their name or in what they hold."""
    client, found = running.client, []
    readers: dict[bytes, Callable[[bytes], Any]] = {
        b"string": client.get,
        b"hash": client.hgetall,
        b"set": client.smembers,
        b"zset": lambda key: client.zrange(key, 0, -1),
        b"list": lambda key: client.lrange(key, 0, -1),
        b"stream": client.xrange,
        b"none": lambda _: None,  # it went meanwhile
    }
    for key in client.scan_iter(match=f"{running.settings.redis_prefix}*", count=1000):
        held = repr((key, readers[client.type(key)](key)))
        if any(repr(form.encode())[2:-1] in held for form in FORMS):
            found.append(key)
    return found


def names_in_compacted(settings: Settings) -> list[tuple[str, bytes]]:
    """Return topic and key of what compaction would leave that has Rita's id in it."""
    found = []
    for topic in (settings.entities_changelog, settings.actors_changelog, settings.scores_topic, settings.control_topic):
        last = {(r.partition, r.key): r.value for r in read_topic(settings, topic)}
        for (_, key), value in last.items():
            if value is not None and any(form.encode() in (key or b"") + value for form in FORMS):
                found.append((topic, key or b""))
    return found


def wait_until_gone(running: Deployment) -> None:
    """Return when neither Redis nor a compacted topic names Rita."""
    running.wait_for(lambda: not names_in_redis(running), "Redis without her")
    running.wait_for(lambda: not names_in_compacted(running.settings), "changelogs without her")


def test_nothing_names_who_is_forgotten_and_they_stay_forgotten(settings: Settings, run: Run) -> None:
    rules = [
        checked(Rule(id="crosses", kind="crosses", scope="all", value=2.0, cooldown_s=0.0)),
        checked(Rule(id="first", kind="top", scope="all", n=3, cooldown_s=0.0)),
    ]
    with deployment(settings, workers=1) as running:
        (worker,) = running.workers
        for rule in rules:
            write(settings, "rule", rule.id, encode_rule(rule), encode_rule)
        send(settings, lifes_work())
        running.settle()
        prefix = settings.redis_prefix.encode()
        expected = {
            prefix + b"alerts",
            prefix + b"alerts:top:first",
            prefix + b"board:all:standing",
            prefix + b"board:topic:ai:standing",
        }
        running.wait_for(lambda: expected <= set(names_in_redis(running)), "all that names her")
        assert run("hide", "--json", "--", RITA)["changed"]
        assert {topic for topic, _ in names_in_compacted(settings)} == {
            settings.entities_changelog, settings.actors_changelog, settings.scores_topic, settings.control_topic,
        }  # fmt: skip
        likes = run("score", "ann", "--json")["shares"]

        told = run("forget", "--yes", "--json", "--", RITA)
        assert told["changed"]
        wait_until_gone(running)
        assert run("score", "ann", "--json")["shares"] == likes == 41
        while time.time() * 1000 <= told["since_ms"]:
            time.sleep(0.01)
        # The same again under the same ids and under others: by her, and to her.
        send(settings, [*lifes_work(), event("new-post", "tweet", RITA, RITA), event("new", "like", "fan1", RITA)])
        send(settings, [event("new-to-bob", "share", RITA, "bob"), event("new-to-ann", "share", "fan99", "ann")])
        running.settle()
        assert running.stats()["forgotten"] == 3
        assert (names_in_redis(running), names_in_compacted(settings)) == ([], [])

        running.kill(worker)
        send(settings, [event("while-away", "share", RITA, "dot")])
        running.client.delete(*running.client.scan_iter(match=f"{settings.redis_prefix}*"))
        running.start()
        running.settle()
        assert running.stats()["forgotten"] == 4
        assert (names_in_redis(running), names_in_compacted(settings)) == ([], [])
        assert run("score", "ann", "--json")["shares"] == 42
        assert not run("forget", "--yes", "--json", "--", RITA)["changed"]
        assert running.client.smembers(f"{settings.redis_prefix}hidden") == set()
        running.assert_equal()


def test_who_is_forgotten_while_no_worker_runs_is_taken_out_when_one_starts(settings: Settings, run: Run) -> None:
    with deployment(settings, workers=1) as running:
        (worker,) = running.workers
        send(settings, lifes_work()[:30])
        running.settle()
        running.kill(worker)
        # Of before she was forgotten, and not taken yet: it counts for others, and makes no row of her.
        send(settings, lifes_work()[30:])
        run("forget", "--yes", "--json", "--", RITA)
        running.start()
        running.settle()
        wait_until_gone(running)
        assert run("score", "bob", "--json")["shares"] == 1
        assert "forgotten" not in {name for name, n in running.stats().items() if n}
        running.assert_equal()


def test_scores_are_published_while_somebody_is_taken_out_of_redis(settings: Settings, run: Run) -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)} | settings.to_environ()
    command = [sys.executable, "-c", ERASING_THAT_NEVER_ENDS]
    with deployment(settings) as running, subprocess.Popen(command, cwd=ROOT, env=environ, stderr=subprocess.DEVNULL) as worker:
        try:
            send(settings, lifes_work())
            running.settle()
            run("forget", RITA, "--yes", "--json")
            running.wait_for(lambda: running.client.hlen(f"{settings.redis_prefix}forgotten"), "a beginning")
            send(settings, [event(f"late{n}", "share", f"late{n}", "bob") for n in range(10)])
            running.settle(idle_limit_s=20)
            assert running.reader.score("account:bob").shares == 11
        finally:
            worker.kill()


def test_an_export_has_all_that_is_held_and_forgets_nothing(settings: Settings, run: Run, tmp_path: Path) -> None:
    with deployment(settings, workers=1) as running:
        broken = Record(RITA.encode(), json.dumps({"id": "x", "kind": "like", "actor": RITA, "author": "bob"}).encode())
        send(settings, [*lifes_work(), broken])
        running.settle()
        held = run("forget", "--export", "-", "--json", "--", RITA)
        name = f"account:{FORMS[1]}"
        assert held["account"] == RITA
        redis, kafka = held["redis"], held["kafka"]
        assert set(redis["scores"]) == set(kafka["rows"]) == set(kafka["published"]) == {name, f"{name}@topic:ai"}
        assert redis["scores"][name]["shares"] == str(kafka["rows"][name]["shares"]) == "12"
        assert redis["history"][name]
        assert redis["why"][name]
        assert {change["entity"] for change in redis["changes"]} >= {name, "account:bob"}
        assert [e["event"]["id"] for e in kafka["events"] if e["event"]["kind"] == "tweet"] == ["post"]
        assert len(kafka["events"]) == 17  # with the one that was refused
        assert {e["target"] for e in kafka["engagements"] if e["actor"] == name} >= {"account:ann", "account:bob", "topic:ai"}
        assert len(kafka["actor"]["recent_targets"]) == 3
        (letter,) = kafka["dead_letters"]
        assert json.loads(letter["text"])["actor"] == RITA
        assert kafka["definitions"] == {"hidden": False, "campaigns": [], "rules": []}
        assert run("score", "--json", "--", RITA)["shares"] == 12

        path = tmp_path / "rita.json"
        assert run("forget", "--export", str(path), "--yes", "--json", "--", RITA)["changed"]
        assert json.loads(path.read_text())["redis"]["scores"] == redis["scores"]
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert main(["forget", "--export", str(path), "--", RITA]) == 78  # it is there
        wait_until_gone(running)
        after = run("forget", "--export", "-", "--", RITA)
        assert after["redis"] == {"scores": {}, "history": {}, "why": {}, "changes": [], "alerts": [], "undelivered_alerts": []}
        assert (after["kafka"]["rows"], after["kafka"]["published"], after["kafka"]["actor"]) == ({}, {}, None)


def test_it_asks_and_without_a_terminal_wants_to_be_told(
    settings: Settings, run: Run, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    with deployment(settings):
        assert main(["forget", "--", RITA]) == 2
        assert b"--yes" in capfdbinary.readouterr().err
        assert main(["forget", "--yes", "a\nb"]) == 2
        assert [r for r in read_topic(settings, settings.control_topic)] == []
        assert main(["forget", "--yes", "--", RITA]) == 0
        (record,) = read_topic(settings, settings.control_topic)
        assert record.key == b"forget:" + id_of(RITA).encode()


def test_who_is_hidden_stays_so_when_redis_is_wiped(settings: Settings, run: Run) -> None:
    with deployment(settings, workers=1) as running:
        send(settings, lifes_work())
        running.settle()
        key = f"{settings.redis_prefix}hidden"
        assert run("hide", "ann", "--json")["changed"]
        assert run("hide", "bob", "--json")["changed"]
        assert not run("hide", "bob", "--json")["changed"]
        running.client.delete(*running.client.scan_iter(match=f"{settings.redis_prefix}*"))
        running.wait_for(lambda: running.client.smembers(key) == {b"ann", b"bob"}, "hidden accounts after a wipe")
        running.settle()
        assert run("hide", "bob", "--remove", "--json") == {"account": "bob", "hidden": False, "changed": True}
        running.wait_for(lambda: running.client.smembers(key) == {b"ann"}, "bob shown again")
        assert "ann" not in {place["account"] for place in run("top", "--json")}
