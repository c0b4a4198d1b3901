"""From a network to the leaderboard, by the commands a user gives."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import networks
import psutil
import pytest
from harness import Deployment, deployment
from networks import Step

from streams import entities
from streams.settings import PREFIX, Settings
from tests import readme, samples

ROOT = Path(__file__).parents[2]
AT_US = 1_783_175_888_000_000
DIDS = [f"did:plc:{name}" for name in ("ann", "ben", "cat", "dan", "eve", "fay")]

# Five columns as the data sets have them, of the same shape, for when these aren't there.
GITHUB = """\
created_at\tevent_id\tkind\tactor_id\tactor_login\trepo_owner\trepo_id\trepo\tlanguage
2015-01-01T00:00:00Z\t1\tpush\t1\tann\tann\t1\tann/a\t
2015-01-01T00:00:02Z\t3\tstar\t2\tben\tann\t1\tann/a\tGo
2015-01-01T00:00:01Z\t2\tfork\t3\tcat\tann\t1\tann/a\tGo
2015-01-01T00:00:03Z\t4\tcomment\t2\tben\tann\t1\tann/a\t
2015-01-01T00:00:04Z\t5\tcomment\t1\tann\tann\t1\tann/a\t
2015-01-01T00:00:05Z\t6\tsneeze\t1\tann\tann\t1\tann/a\t
"""
STEEM = """\
time_utc\tkind\tactor\ttarget_author\ttarget_permlink\town_permlink\ttags\tvote_percent\tnum_changes
2016-03-30T18:30:18\tpost\tann\tann\tp\tp\tmeta\t\t
2016-03-30T18:31:18\tvote\tben\tann\tp\t\tmeta\t10000\t0
2016-03-30T18:32:18\tvote\tcat\tann\tp\t\tmeta\t10000\t0
2016-03-30T18:33:18\tvote\tcat\tann\tp\t\tmeta\t0\t1
2016-03-30T18:34:18\tvote\tdan\tann\tp\t\tmeta\t-10000\t0
2016-03-30T18:35:18\tcomment\tben\tann\tp\tre-p\tmeta\t\t
"""


def run(settings: Settings, *words: str) -> Any:
    """Run a command; return the JSON it printed."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)} | settings.to_environ()
    ended = subprocess.run(
        [sys.executable, "-m", "streams", *words, "--json"],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def counts(running: Deployment) -> dict[str, tuple[int, ...]]:
    """Return posts, likes, shares and replies of every account in Redis."""
    client, prefix = running.client, f"{running.settings.redis_prefix}score:"
    keys = [key for key in client.scan_iter(f"{prefix}account:*", count=10_000) if b"@" not in key]
    found = {}
    for key in keys:
        account = entities.id_of(key.decode().removeprefix(prefix))
        found[account] = tuple(int(n or 0) for n in client.hmget(key, "posts", "likes", "shares", "replies"))
    return found


def commit(number: int, did: str, collection: str, record: Any, operation: str = "create", rkey: str = "") -> bytes:
    change = {"operation": operation, "collection": f"app.bsky.feed.{collection}", "rkey": rkey or str(number)}
    change |= {"record": record, "cid": "c"} if record is not None else {}
    return json.dumps({"did": did, "time_us": AT_US + number * 100_000, "kind": "commit", "commit": change}).encode()


def version_2(message: bytes) -> bytes:
    old = json.loads(message)
    kind, seconds = "network.bsky.jetstream.subscribeEvents#commit", (old["time_us"] - AT_US) / 1e6
    payload = {"$type": kind, "seq": 1, "did": old["did"], "time": f"2026-07-04T14:38:{8 + seconds:09.6f}Z", **old["commit"]}
    return json.dumps({"$type": "message", "payload": payload}).encode()


def conversation() -> list[bytes]:
    """Everybody likes ann's post but herself, eve takes it back, ben reposts and replies, cat quotes; ben gets a like."""
    post = "at://did:plc:ann/app.bsky.feed.post/0"
    about = {"subject": {"uri": post, "cid": "c"}}
    said = [commit(0, DIDS[0], "post", {"text": "hi", "tags": ["AI"]})]
    said += [commit(n, did, "like", about) for n, did in enumerate(DIDS[1:], 1)]
    said += [
        commit(10, DIDS[4], "like", None, "delete", rkey="4"),
        commit(11, DIDS[1], "repost", about),
        commit(12, DIDS[1], "post", {"text": "yes", "reply": {"parent": {"uri": post}, "root": {"uri": post}}}),
        commit(13, DIDS[2], "post", {"embed": {"$type": "app.bsky.embed.record", "record": {"uri": post}}}),
        commit(14, DIDS[2], "like", {"subject": {"uri": "at://did:plc:ben/app.bsky.feed.post/12"}}),
    ]
    return said


@pytest.mark.parametrize("version", [1, 2])
async def test_bluesky_is_on_the_leaderboard(version: int, settings: Settings) -> None:
    messages = conversation() if version == 1 else [version_2(message) for message in conversation()]
    # The connection breaks in the middle, and the host then begins again from its first message.
    script = [Step(messages[:6], then="break"), Step(messages, then="stay")]
    with deployment(settings, workers=1) as running:
        async with networks.jetstream(*script) as network:
            words = ["ingest", "bluesky", "--host", network.url, "--jetstream", str(version), "--json"]
            environ = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)} | settings.to_environ()
            process = subprocess.Popen(
                [sys.executable, "-m", "streams", *words], cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True
            )
            try:
                await asyncio.to_thread(running.wait_for, lambda: running.stats()["applied"] >= 12, "events of the network", 60)
                process.send_signal(signal.SIGTERM)
                out, _ = await asyncio.to_thread(process.communicate, timeout=30)
            finally:
                process.kill()
        assert process.returncode == 0
        assert json.loads(out)["events"]["undo"] == 1
        await asyncio.to_thread(running.settle)
        await asyncio.to_thread(running.assert_equal)
        board = await asyncio.to_thread(counts, running)
        leaders = await asyncio.to_thread(run, settings, "top")
    assert leaders[0]["account"] == "did:plc:ann"
    assert leaders[0]["score"] > leaders[1]["score"] > 1
    assert board == {"did:plc:ann": (1, 4, 2, 1), "did:plc:ben": (0, 1, 0, 0), "did:plc:cat": (1, 0, 0, 0)}


@pytest.mark.parametrize("version", [1, 2])
async def test_the_one_command_of_the_readme_shows_a_board_and_leaves_nothing_running(version: int) -> None:
    (line,) = [line for block in readme.blocks("sh") for line in block.splitlines() if "ingest bluesky" in line]
    messages = conversation() if version == 1 else [version_2(message) for message in conversation()]
    script = [Step(status=503), Step(messages, then="stay")]
    environ = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    async with networks.jetstream(*script) as network:
        words = [*line.split()[1:], "--host", network.url, "--jetstream", str(version)]
        process = subprocess.Popen(
            [sys.executable, "-m", "streams", *words],
            cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            assert process.stdout is not None
            shown, deadline = "", time.monotonic() + 120
            expected = (
                r" +1 .*did:plc:ann .* 1 +4 +2 +1$",  # the first place, with all that it got
                r"bluesky: \d+ messages/s, \d+ events/s, [\d,.]+ s behind *$",
                r"11 messages, 12 events, 0 dropped *$",
                r"\d\d:\d\d:\d\d behind: the newest event is ",  # what was told last
            )
            while not all(re.search(rf"(?m)^{line}", shown) for line in expected):
                picture = await asyncio.to_thread(process.stdout.readline)
                assert picture, f"ended after {shown}: {process.communicate()}"
                shown += picture
                assert time.monotonic() < deadline, shown
            started = psutil.Process(process.pid).children(recursive=True)
            process.send_signal(signal.SIGINT)
            out, err = await asyncio.to_thread(process.communicate, timeout=60)
        finally:
            process.kill()
    assert process.returncode == 0, err
    assert "it answers 503; asking" in err
    assert "messages 11: 6 like, 1 post, 1 like deleted, 1 repost, 1 reply, 1 quote" in out
    assert len(started) >= 3  # a broker, a Redis and a worker
    assert psutil.wait_procs(started, timeout=10)[1] == []


def scored(settings: Settings, path: Path, preset: str) -> tuple[dict[str, Any], dict[str, tuple[int, ...]]]:
    """Bring a file in with a worker running, twice; return what was counted the first time, and the board."""
    with deployment(settings, workers=1) as running:
        first = run(settings, "ingest", "file", str(path), "--preset", preset)
        again = run(settings, "ingest", "file", str(path), "--preset", preset, "--from-scratch")
        assert first["events"] == again["events"]
        running.settle()
        report = running.assert_equal()
        assert report.ok
        return first, counts(running)


def test_github_in_columns_is_scored_as_counted_by_hand(settings: Settings, tmp_path: Path) -> None:
    (path := tmp_path / "github.tsv").write_text(GITHUB)
    first, board = scored(settings, path, "gharchive")
    assert board == {"ann": (1, 1, 1, 1)}
    assert first["dropped"] == {"unknown kind": 1}


def test_steem_is_scored_without_withdrawn_and_negative_votes(settings: Settings, tmp_path: Path) -> None:
    (path := tmp_path / "steem.tsv").write_text(STEEM)
    first, board = scored(settings, path, "steem")
    assert board == {"ann": (1, 1, 0, 1)}
    assert (first["events"], first["dropped"]) == ({"tweet": 1, "like": 2, "undo": 1, "reply": 1}, {"against the post": 1})


def received(path: Path, preset: str) -> dict[str, tuple[int, ...]]:
    """Return posts, likes, shares and replies by account, counted from the columns of a file."""
    found: dict[str, Counter[str]] = {}
    kinds = {"star": "likes", "fork": "shares", "comment": "replies", "issue": "replies", "pull_request": "replies"}
    kinds |= {"vote": "likes", "reblog": "shares"}
    for line in gzip.decompress(path.read_bytes()).decode().splitlines()[1:]:
        fields = line.split("\t")
        kind, actor = (fields[2], fields[4]) if preset == "gharchive" else (fields[1], fields[2])
        author = fields[5] if preset == "gharchive" else fields[3]
        if kind not in kinds:
            found.setdefault(actor, Counter())["posts"] += 1
        elif actor != author and (kind != "vote" or int(fields[7]) > 0):
            found.setdefault(author, Counter())[kinds[kind]] += 1
    return {account: tuple(some[name] for name in ("posts", "likes", "shares", "replies")) for account, some in found.items()}


@pytest.mark.parametrize(
    ("name", "preset"),
    [("gharchive/gharchive_2015-01-01_00-01_events.tsv.gz", "gharchive"), ("hive/steem_2016_events.tsv.gz", "steem")],
)
def test_every_account_of_a_data_set_has_the_counts_of_the_file(name: str, preset: str, settings: Settings) -> None:
    path = samples.path(name)
    assert scored(settings, path, preset)[1] == received(path, preset)
