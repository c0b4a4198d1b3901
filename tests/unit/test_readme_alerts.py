"""What the README says of an alert's JSON: an example, and the fields of each kind, against what workers write."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from streams.alerts.judging import judge
from streams.alerts.places import Place, explained, looked
from streams.alerts.rules import Rule
from streams.settings import Settings
from streams.tables.score_records import NUMBERS, Change, ScoreRecord
from tests import readme

SURGE = {
    "began": 1,
    "z": 9.0,
    "counted": 9.0,
    "expected": 1.0,
    "people": 9,
    "likes": 9,
    "shares": 0,
    "replies": 0,
    "low_trust": 0,
}
UP = Change("1.0", "9.0", "[]", "8.0", json.dumps(SURGE))
DOWN = Change("9.0", "1.0", "[]", "-8.0", "")


def example() -> dict[str, Any]:
    (found,) = [json.loads(block) for block in readme.blocks("json") if '"rule"' in block]
    return dict(found)


def said(kind: str, change: Change | None, **more: Any) -> dict[str, Any]:
    """Return what a rule on changes says of a score of 9, 9 likes and so on."""
    rule = Rule(id="r", kind=kind, entity="account:ann", **more)  # type: ignore[arg-type]  # one of the kinds
    numbers = ",".join("9" for _ in NUMBERS)
    (alert,) = judge([rule], ScoreRecord('"account:ann"', numbers, change), Settings())
    return dict(json.loads(alert.body))


def said_of_a_board() -> list[dict[str, Any]]:
    """Return what a rule says when ben takes ann's place."""
    rule = Rule(id="r", kind="top", scope="all", n=1)
    first = looked(rule, b"", [Place("ann", 9.0)], 0.0)
    assert first
    then = looked(rule, first.taken, [Place("ben", 9.5)], 1.0)
    assert then
    change = b'{"entity":"account:ben","before":1.0,"causes":[]}'
    return [explained(alert, [change]) for alert in then.alerts.values()]


def written() -> dict[str, list[dict[str, Any]]]:
    """Return alerts by kind, as different as they get."""
    goal = {"measure": "likes", "value": 3.0}
    return {
        "jump": [said("jump", UP, points=2.0)],
        "drop": [said("drop", DOWN, points=2.0)],
        "crosses": [said("crosses", UP, value=5.0), said("crosses", DOWN, value=5.0)],
        "goal": [said("goal", UP, **goal), said("goal", None, **goal)],
        "top": said_of_a_board(),
    }


def test_the_example_is_a_jump_and_its_causes_add_up() -> None:
    (jump,) = written()["jump"]
    assert list(example()) == list(jump)
    assert list(example()["behind"]) == list(jump["behind"])
    points = sum(cause["points"] for cause in example()["causes"])
    assert points == pytest.approx(example()["score"] - example()["before"], abs=1e-3)


def test_what_is_said_to_be_in_all_of_them_is() -> None:
    (words,) = re.findall(r"^(`id`, `rule`.*?) are in all of them", readme.text(), flags=re.MULTILINE)
    everywhere = set.intersection(*(set(alert) for alerts in written().values() for alert in alerts))
    assert set(re.findall(r"`(\w+)`", words)) == everywhere


def test_the_table_has_all_other_fields_of_each_kind() -> None:
    everywhere = set.intersection(*(set(alert) for alerts in written().values() for alert in alerts))
    told: dict[str, set[str]] = {}
    for kinds, words in readme.table("Alert"):
        fields = set(re.findall(r"`(\w+)`", words)) | (told["jump"] if words.startswith("the same") else set())
        # Of a board's alert `score` is named once more: it may be null.
        told |= dict.fromkeys(re.findall(r"`(\w+)`", kinds), fields - everywhere)
    assert told == {kind: {field for alert in alerts for field in alert} - everywhere for kind, alerts in written().items()}
