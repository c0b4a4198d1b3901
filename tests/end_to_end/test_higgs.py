"""Recorded events through the whole of it, as a user runs it, against a count of the file that shares nothing with it."""

from __future__ import annotations

import csv
import gzip
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
HIGGS = ROOT.parent / "shared" / "data" / "higgs" / "higgs-activity_time.days1-5.txt.gz"
KEYS = ["events", "applied", "self", "duplicates", "dead_letters", "accounts", "seconds", "events_per_second", "top"]
ROW = ["account", "score", "plus_minus", "reach", "posts", "likes", "shares", "replies"]

SMALL = """\
1 2 1341100972 RT
3 2 1341100973 RT
3 2 1341100973 RE
1 2 1341100974 MT
2 1 1341100975 RE
5 5 1341100976 RT
this line is no event
4 5 1341100977 MT
1 2 1341100972 RT
"""


def replay(file: Path, top: int, timeout_s: float) -> dict[str, Any]:
    command = [sys.executable, "-m", "streams", "replay", str(file)]
    command += ["--format", "higgs", "--embedded", "--wait", "--json", "--top", str(top)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=timeout_s, check=False)
    assert ended.returncode == 0, ended.stderr
    result: dict[str, Any] = json.loads(ended.stdout)
    assert list(result) == KEYS
    assert all(list(row) == ROW for row in result["top"])
    return result


def received(lines: Iterable[str]) -> tuple[Counter[str], Counter[str], int]:
    """Return shares and replies received by author, and the engagements with oneself, which count for nobody."""
    shares, replies, own = Counter[str](), Counter[str](), 0
    for actor, author, _, kind in (row for row in csv.reader(lines, delimiter=" ") if len(row) == 4):
        if actor == author:
            own += 1
        elif kind == "RT":
            shares[author] += 1
        else:
            replies[author] += 1
    return shares, replies, own


def check(result: dict[str, Any], shares: Counter[str], replies: Counter[str], own: int) -> None:
    """Compare every account, not a sample."""
    assert {row["account"]: row["shares"] for row in result["top"]} == {a: shares[a] for a in shares | replies}
    assert {row["account"]: row["replies"] for row in result["top"]} == {a: replies[a] for a in shares | replies}
    assert all(row["posts"] == row["likes"] == 0 for row in result["top"])
    assert result["accounts"] == len(shares | replies)
    assert result["self"] == own
    assert result["applied"] == shares.total() + replies.total()
    assert result["duplicates"] == 0
    scores = [row["score"] for row in result["top"]]
    assert scores == sorted(scores, reverse=True)
    assert all(1 < score <= 100 for score in scores)


def test_a_small_file_comes_out_as_counted_by_hand(tmp_path: Path) -> None:
    file = tmp_path / "small.txt"
    file.write_text(SMALL)
    result = replay(file, top=10, timeout_s=90)
    assert (result["events"], result["applied"], result["self"], result["dead_letters"]) == (9, 7, 1, 1)
    assert {row["account"]: (row["shares"], row["replies"]) for row in result["top"]} == {"2": (3, 2), "1": (0, 1), "5": (0, 1)}
    check(result, *received(SMALL.replace("this line is no event\n", "").splitlines()))


@pytest.mark.skipif(not HIGGS.exists(), reason=f"the Higgs data set is not at {HIGGS}")
def test_every_account_of_the_higgs_data_set_has_the_counts_of_the_file() -> None:
    with gzip.open(HIGGS, "rt") as file:
        shares, replies, own = received(file)
    result = replay(HIGGS, top=60_000, timeout_s=300)
    assert result["events"] == 508_776
    assert result["dead_letters"] == 0
    check(result, shares, replies, own)
