"""Rules: what the command line makes of one, what is refused, and how it lies in Kafka."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from streams.alerts.rules import FORMAT, Rule, decode, encode
from streams.cli import build_parser
from streams.cli.rule_line import rule_of
from streams.cli.times import ago_or_at
from streams.control.state import ControlRecord, ControlState, Fetched
from streams.errors import UsageError
from streams.settings import Settings

SETTINGS = Settings(webhook_private_hosts="hooks.example, 127.0.0.1")


def added(line: str, settings: Settings = SETTINGS) -> Rule:
    return rule_of(build_parser(["alerts"]).parse_args(["alerts", "add", *line.split()]), settings)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("jump --everybody", {"kind": "jump", "scope": "all", "points": 2.0}),
        ("jump --account user@host --points 5", {"kind": "jump", "entity": "account:user%40host", "points": 5.0}),
        ("drop --account ann --scope topic:ai", {"kind": "drop", "entity": "account:ann@topic:ai", "points": 2.0}),
        ("crosses --topic ai --value 50", {"kind": "crosses", "entity": "topic:ai", "value": 50.0}),
        ("crosses --scope topics --value 50 --cooldown-s 0", {"scope": "topics", "value": 50.0, "cooldown_s": 0.0}),
        ("top --scope campaign:x", {"kind": "top", "scope": "campaign:x", "n": 10}),
        ("top -n 3 --everybody --id three", {"id": "three", "scope": "all", "n": 3}),
        ("goal --campaign spring --value 1000", {"entity": "campaign:spring", "measure": "likes", "value": 1000.0}),
        (
            "jump --everybody --webhook https://example.org/x?t=1 --secret-file a.key",
            {"webhook": "https://example.org/x?t=1", "secret": "a.key"},
        ),
        ("jump --everybody --webhook http://hooks.example:8080/", {"webhook": "http://hooks.example:8080/"}),
    ],
)
def test_a_line_makes_a_rule_that_comes_back_from_kafka(line: str, expected: dict[str, Any]) -> None:
    rule = added(line)
    held = msgspec.structs.asdict(rule)
    assert {name: held[name] for name in expected} == expected
    assert decode(encode(rule)) == msgspec.structs.replace(rule, format=FORMAT)


def test_the_same_rule_has_the_same_id_and_another_has_another() -> None:
    ids = [added(line).id for line in ("jump --everybody", "jump --everybody", "jump --everybody --points 3", "drop --everybody")]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3
    assert ids[0].startswith("jump-")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("jump", "--everybody"),
        ("jump --everybody --value 5", "--value"),
        ("jump --everybody --points 0.1", "points from 0.5"),
        ("crosses --everybody", "--value"),
        ("crosses --everybody --value 101", "101"),
        ("top --account ann", "scope"),
        ("top --everybody -n 5000", "1000"),
        ("goal --everybody --value 5", "one entity"),
        ("goal --account ann --value 5 --measure fame", "'fame'"),
        ("jump --scope everywhere", "'everywhere'"),
        ("jump --account ann --scope topic:", "topic:TAG"),
        ("jump --everybody --id Big_Rule", "'Big_Rule'"),
        ("jump --topic ai --scope all", "--topic"),
        ("jump --everybody --webhook http://example.org/", "without TLS"),
        ("jump --everybody --webhook https://10.0.0.1/", "private"),
        ("jump --everybody --webhook https://[::1]/", "private"),
        ("jump --everybody --webhook https://169.254.169.254/latest", "private"),
        ("jump --everybody --webhook https://me:word@example.org/", "user name"),
        ("jump --everybody --webhook file:///etc/passwd", "'file'"),
        ("jump --everybody --secret-file a.key", "--webhook"),
        ("jump --everybody --webhook https://example.org/ --secret-file ../../etc/passwd", "no path"),
    ],
)
def test_what_can_not_work_is_refused_with_what_is_expected(line: str, says: str) -> None:
    with pytest.raises(UsageError) as refused:
        added(line)
    assert says in str(refused.value)
    assert "word" not in str(refused.value)


@pytest.mark.parametrize(
    ("rule", "watched", "others"),
    [
        ("jump --everybody", ["account:a", "account:a%40b"], ["account:a@topic:ai", "topic:ai", "campaign:x"]),
        ("jump --scope topic:ai", ["account:a@topic:ai"], ["account:a", "topic:ai", "account:a@topic:art"]),
        ("jump --scope topics", ["topic:ai"], ["account:a", "account:a@topic:ai"]),
        ("jump --account a", ["account:a"], ["account:b", "account:a@topic:ai"]),
    ],
)
def test_a_rule_is_about_whom_it_says(rule: str, watched: list[str], others: list[str]) -> None:
    assert [added(rule).watches(entity) for entity in watched + others] == [True] * len(watched) + [False] * len(others)


def test_rules_follow_the_control_topic_and_what_is_no_rule_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    state, rule = ControlState(), added("goal --account ann --value 3")

    def told(key: bytes | None, value: bytes | None) -> None:
        state.apply(Fetched([ControlRecord(0, 0, key, value)], None))

    told(b"rule:r", encode(rule))
    told(b"rule:t", encode(added("top --everybody")))
    rules = state.rules
    assert (rules.goals, len(rules.tops), len(rules.on_changes)) == ({b"account:ann"}, 1, 1)
    revision = state.revision
    for value in (b"", b"{}", b"[1]", b'{"format":2,"id":"x","kind":"jump"}', b'{"format":1,"id":"x","kind":"hum"}', b"\xff"):
        told(b"rule:x", value)
    told(None, b"{}")
    assert (len(state.rules.by_id), caplog.text.count("left out")) == (2, 6)
    told(b"rule:r", None)
    assert not state.rules.goals
    assert state.revision > revision


@pytest.mark.parametrize(
    ("text", "at_s"), [("2h", 2800.0), ("1.5m", 9910.0), ("1700000000", 1.7e9), ("2023-11-14T22:13:20+00:00", 1.7e9)]
)
def test_times_are_how_long_ago_or_when(text: str, at_s: float) -> None:
    assert ago_or_at(text, 10_000.0) == at_s


@pytest.mark.parametrize("text", ["", "yesterday", "2h ago", "2026-01-31T12:00:00", "-5", "1700000000000"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="expected"):
        ago_or_at(text, 0.0)
