"""The command line: exit codes, one clear line, help of every command, a fast start."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from streams.cli import COMMANDS, build_parser, main
from streams.cli.output import printable, short
from streams.settings import PREFIX

# A port of the loopback that nothing listens on and nothing is given: reserved, and refused at once.
NOWHERE_KAFKA = "127.0.0.1:1"
NOWHERE_REDIS = "redis://user:hunter2@127.0.0.1:1/0"

NESTED = [
    ("topics", "create"),
    ("topics", "check"),
    ("dead-letters", "list"),
    ("dead-letters", "show"),
    ("dead-letters", "retry"),
]


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("cloutstream: ")
    return err


@pytest.mark.parametrize("words", [(), *((name,) for name in COMMANDS), *NESTED], ids=" ".join)
def test_every_command_has_help_with_the_options_of_all(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, "--help"]) == 0
    out = capsys.readouterr().out
    assert "--kafka" in out
    assert "--redis" in out


@pytest.mark.parametrize(
    "words",
    [
        ["no-such-command"],
        ["top", "--no-such-option"],
        ["top", "-n", "0"],
        ["top", "-n", "ten"],
        ["top", "--topic", "ai", "--topics"],
        ["top", "--weights", "posts=1"],
        ["top", "--weights", "reach=0,network=0"],
        ["top", "--weights", "reach=1", "--trending"],
        ["around"],
        ["score"],
        ["why"],
        ["history"],
        ["hide"],
        ["hide", "ann", "--list"],
        ["hide", "ann", "--list", "--remove"],
        ["watch", "--interval", "nan"],
        ["dead-letters"],
        ["dead-letters", "show", "not-a-coordinate"],
        ["dead-letters", "retry"],
        ["dead-letters", "retry", "--all", "--reason", "x"],
        ["topics", "remove"],
        [],
    ],
    ids=" ".join,
)
def test_a_wrong_line_ends_with_2_and_says_what_is_wrong(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    one_line(capsys)


@pytest.mark.parametrize(
    ("variable", "value"), [("PARTITIONS", "none"), ("CLOCK", "sundial"), ("KAFKA", "nowhere"), ("HALF_LIFE_SLOW", "1")]
)
def test_a_wrong_setting_ends_with_78_and_names_it(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(PREFIX + variable, value)
    assert main(["top"]) == 78
    assert PREFIX + variable in one_line(capsys)


@pytest.mark.parametrize(
    "words",
    [
        ["top"],
        ["around", "ann"],
        ["score", "ann"],
        ["why", "ann"],
        ["history", "ann"],
        ["hide", "ann"],
        ["watch", "--once"],
        ["worker"],
    ],
    ids=" ".join,
)
def test_no_redis_ends_with_69_within_10_s_and_hides_the_password(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    begun = time.monotonic()
    assert main([*words, "--redis", NOWHERE_REDIS]) == 69
    assert time.monotonic() - begun < 10
    line = one_line(capsys)
    assert "127.0.0.1:1" in line
    assert "hunter2" not in line


def test_an_option_before_the_command_counts_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--redis", NOWHERE_REDIS, "top"]) == 69
    assert "127.0.0.1:1" in one_line(capsys)


def test_no_kafka_ends_with_69_within_10_s(capsys: pytest.CaptureFixture[str]) -> None:
    begun = time.monotonic()
    assert main(["topics", "check", "--kafka", NOWHERE_KAFKA]) == 69
    assert time.monotonic() - begun < 10
    assert NOWHERE_KAFKA in one_line(capsys)


@pytest.mark.parametrize("url", ["redis://127.0.0.1:port/0", "redis://127.0.0.1:1/0?no_such_option=1"])
def test_a_redis_url_that_cant_be_used_ends_with_78(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["top", "--redis", url]) == 78
    assert "CLOUTSTREAM_REDIS" in one_line(capsys)


def test_doctor_lists_every_setting_and_shows_no_password(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CLOUTSTREAM_KAFKA_PASSWORD", "hunter2")
    assert main(["doctor", "--settings", "--json", "--redis", NOWHERE_REDIS]) == 0
    out = capsys.readouterr().out
    assert "hunter2" not in out
    rows = {row["variable"]: row for row in json.loads(out)}
    assert rows["CLOUTSTREAM_PARTITIONS"]["value"] == rows["CLOUTSTREAM_PARTITIONS"]["default"] == 8
    assert rows["CLOUTSTREAM_REDIS"]["value"] == "redis://127.0.0.1:1/0"
    assert all(row["help"] for row in rows.values())
    assert main(["doctor", "--settings"]) == 0
    assert "CLOUTSTREAM_HALF_LIFE_SLOW_S" in capsys.readouterr().out


def test_a_command_imports_only_what_it_needs() -> None:
    code = "import sys; from streams.cli import main; main(['top', '--redis', 'redis://127.0.0.1:1/0']); print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in ran.stdout.split()}
    assert {"faust", "aiokafka", "kafka", "numpy"} & loaded == set()


def test_the_help_of_all_commands_imports_neither_kafka_nor_redis_nor_faust() -> None:
    code = "import sys; from streams.cli import main; main(['--help']); print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {word.partition(".")[0] for word in ran.stdout.split()}
    assert {"faust", "aiokafka", "kafka", "redis", "numpy"} & loaded == set()


def test_the_module_runs_as_a_program() -> None:
    ran = subprocess.run([sys.executable, "-m", "streams", "top", "-n", "x"], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (2, "")


def test_every_module_of_a_command_is_there() -> None:
    assert {Path(f"streams/cli/{module}.py").name for module in COMMANDS.values()} <= {
        p.name for p in Path("streams/cli").iterdir()
    }
    assert build_parser().prog == "cloutstream"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("did:plc:abc", "did:plc:abc"),
        ("[red]user@host{%}[/]", "[red]user@host{%}[/]"),
        ("\x1b]0;title\x07\x1b[2J", "\\x1b]0;title\\x07\\x1b[2J"),
        ("a\u202eb\u2066c", "a\\u202eb\\u2066c"),
        ("a\u200bb", "a\\u200bb"),
        ("line\u2028break\nand\rreturn", "line\\u2028break\\nand\\rreturn"),
        ("x" + "\u0301" * 40, "x\u0301\u0301" + "\\u0301" * 38),
        ("👩\u200d🚀", "👩\u200d🚀"),
        ("ann\u200d", "ann\\u200d"),
        ("日本語 é", "日本語 é"),
        ("שלום", "שלום\u200e"),
    ],
)
def test_text_that_could_move_reorder_or_hide_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_counts_never_take_more_than_five_characters() -> None:
    assert [short(n) for n in (0, 9_999, 10_000, 99_999, 999_499, 999_500, 12_345_678, 4e12, 4e15)] == [
        "0", "9999", "10.0k", "100k", "999k", "1.0M", "12.3M", "4.0T", "4e+15",
    ]  # fmt: skip
    assert all(len(short(float(10**k - 1))) <= 5 and re.fullmatch(r"[\d.e+kMGT]+", short(float(10**k - 1))) for k in range(16))
