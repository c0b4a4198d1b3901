"""The live board: one picture at several widths from a real server, other people's ids in it, movement and rate."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
import redis
from rich.cells import cell_len
from rich.console import Console

from streams import entities
from streams.cli import main
from streams.cli.board import Follower, bar, draw
from streams.reader import Reader
from streams.redis.client import session
from streams.settings import Settings

NOW_S = 1_700_000_000.0
NAMES = [
    "did:plc:z72i7hdynmk6r22z27h6tvur",
    "[bold red]user@host[/bold red] :smile:",
    "\x1b[2J\x1b]0;owned\x07cleared",
    "line\nbreak\r\ttab",
    "total \u202e0.001\u2066 left",
    "שלום 100.0",
    "日本語の名前がとても長いアカウント",
    "👩\u200d🚀👩\u200d🚀👩\u200d🚀",
    "z" + "\u0335\u0336\u0337\u0338" * 50,
    "{a}%@:" * 20,
]


@pytest.fixture
def client(settings: Settings) -> Iterator[redis.Redis]:
    with session(settings) as client:
        yield client


@pytest.fixture
def reader(settings: Settings, client: redis.Redis) -> Reader:
    return Reader(settings, client, wall=lambda: NOW_S)


def put(settings: Settings, client: redis.Redis, scores: dict[str, float]) -> None:
    """Set both boards to these accounts, with sort keys that are a score of about that many points now."""
    for board, half_life_s in (("standing", settings.half_life_slow_s), ("trending", settings.half_life_fast_s)):
        keys = {account: points + 5 * NOW_S / half_life_s for account, points in scores.items()}
        client.delete(f"{settings.redis_prefix}board:all:{board}")
        client.zadd(f"{settings.redis_prefix}board:all:{board}", keys)


def text_of(reader: Reader, columns: int, follower: Follower | None = None, at_s: float = 0.0, problem: str = "") -> str:
    # A terminal of its own: cut to no width but what is drawn, so that a line that is too long shows as one.
    console = Console(file=io.StringIO(), width=1000, height=40, record=True, color_system=None, highlight=False)
    console.print(draw((follower or Follower(reader)).frame(20, at_s), columns, problem))
    return console.export_text(styles=False)


@pytest.mark.parametrize("columns", [60, 80, 140, 220])
def test_every_line_fits_whatever_the_names_are(columns: int, settings: Settings, client: redis.Redis, reader: Reader) -> None:
    put(settings, client, {name: 60.0 - i for i, name in enumerate(NAMES)})
    for i, name in enumerate(NAMES):
        row = {
            "reach": 1e7 / (i + 1),
            "at": NOW_S,
            "posts": 12_345_678,
            "likes": 10**9,
            "shares": 99_999,
            "replies": 1,
            "plus_minus": 12.3,
        }
        client.hset(f"{settings.redis_prefix}score:{entities.account(name)}", mapping={k: str(v) for k, v in row.items()})
    text = text_of(reader, columns)
    lines = text.splitlines()
    assert len(lines) == len(NAMES) + 4  # header, not complete, names of columns, footer
    assert max(map(cell_len, lines)) <= columns
    assert not any(char in text for char in "\x1b\x07\u202e\u2066\r\t")
    assert "[bold red]" in text  # shown, not obeyed
    assert ":smile" in text or columns < 100
    assert ("trending" in text) == (columns >= 116)
    assert ("likes" in text) == (columns >= 76)


def test_the_picture_has_score_error_counts_and_totals(settings: Settings, client: redis.Redis, reader: Reader) -> None:
    put(settings, client, {"ann": 39.0})
    row = {"reach": 500.0, "at": NOW_S, "plus_minus": 1.2, "posts": 3, "likes": 41_000, "shares": 17, "replies": 9}
    client.hset(f"{settings.redis_prefix}score:account:ann", mapping={k: str(v) for k, v in row.items()})
    client.set(f"{settings.redis_prefix}epoch", "1")
    client.hset(f"{settings.redis_prefix}stats:0", mapping={"applied": 1_234_567, "self": 0, "refused": 5, "position:events": 10})
    text = text_of(reader, 80)
    assert text.splitlines()[2].split() == ["1", "ann", "40.0", "1.2", "███▎", "500", "3", "41.0k", "17", "9"]
    assert "1,234,567 events counted · 5 refused" in text
    assert "2023-11-14 22:13:20 UTC" in text
    assert "not complete" not in text


def test_movement_and_rate_are_measured_over_the_last_seconds(settings: Settings, client: redis.Redis, reader: Reader) -> None:
    follower = Follower(reader)
    put(settings, client, {"ann": 30.0, "bob": 20.0})
    client.hset(f"{settings.redis_prefix}stats:0", "position:events", 1000)
    first = follower.frame(10, 100.0)
    assert (first.moved, first.events_per_second) == ({"ann": 0, "bob": 0}, None)
    put(settings, client, {"ann": 30.0, "bob": 40.0, "cem": 35.0})
    client.hset(f"{settings.redis_prefix}stats:0", "position:events", 3000)
    second = follower.frame(10, 102.0)
    assert second.moved == {"bob": 1, "cem": None, "ann": -2}
    assert second.events_per_second == 1000.0
    text = text_of(reader, 80, follower, 103.0)
    assert [line.split()[:3] for line in text.splitlines()[3:6]] == [["1", "▲1", "bob"], ["2", "new", "cem"], ["3", "▼2", "ann"]]
    still = follower.frame(10, 120.0)
    assert still.moved == {"bob": 0, "cem": 0, "ann": 0}
    assert still.events_per_second == 0.0


def test_a_problem_is_said_above_the_board_that_stands(settings: Settings, client: redis.Redis, reader: Reader) -> None:
    put(settings, client, {"ann": 30.0})
    text = text_of(reader, 80, problem="Redis can't be reached; trying again")
    assert "trying again" in text
    assert "ann" in text


def test_an_empty_board_says_so(reader: Reader) -> None:
    assert "nobody is on this board yet" in text_of(reader, 80)


def test_watch_prints_one_picture_or_lines_of_json(
    settings: Settings, client: redis.Redis, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name, value in settings.to_environ().items():
        monkeypatch.setenv(name, value)
    client.hset(f"{settings.redis_prefix}clock", mapping={"mode": "event", "now": str(NOW_S)})
    put(settings, client, {"user@host\u202e": 30.0})
    assert main(["watch", "--once"]) == 0
    assert "user@host\\u202e" in capfd.readouterr().out
    assert main(["watch", "--json", "--seconds", "0.3", "--interval", "0.1", "-n", "5"]) == 0
    frames = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert len(frames) >= 3
    assert [(p["account"], p["moved"]) for p in frames[-1]["top"]] == [("user@host\u202e", 0)]
    assert (frames[0]["now"], frames[0]["complete"], frames[0]["events_per_second"]) == (NOW_S, False, None)


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_ended_from_outside_it_exits_with_130_and_without_a_traceback(ending: signal.Signals, settings: Settings) -> None:
    command = [sys.executable, "-m", "streams", "watch", "--json", "--interval", "0.1"]
    environ = {**os.environ, **settings.to_environ()}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environ)
    assert process.stdout
    process.stdout.readline()
    process.send_signal(ending)
    _, err = process.communicate(timeout=10)
    assert (process.returncode, err) == (130, "")


def test_a_reader_that_goes_away_is_no_error(settings: Settings) -> None:
    command = [sys.executable, "-m", "streams", "watch", "--json", "--interval", "0.05"]
    environ = {**os.environ, **settings.to_environ()}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environ)
    assert process.stdout
    assert process.stderr
    process.stdout.readline()
    process.stdout.close()
    assert (process.wait(timeout=10), process.stderr.read()) == (0, "")
    process.stderr.close()


def test_a_bar_grows_by_eighths_and_stays_in_its_column() -> None:
    assert [bar(s) for s in (-5.0, 1.0, 12.5, 51.0, 100.0, 1e9)] == ["", "▏", "█", "████▏", "████████", "████████"]
