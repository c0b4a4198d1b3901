"""`verify` and the reasons of changes: those that don't add up are a mismatch."""

from __future__ import annotations

import json
from typing import Any

import pytest

from streams.redis.client import session
from streams.settings import Settings
from streams.verify.report import Report
from streams.verify.statements import compare_statements

SHARE: dict[str, Any] = {"kind": "share", "actor": "bob", "points": 2.5, "count": 2}
DECAY: dict[str, Any] = {"kind": "decay", "points": -0.5}


@pytest.mark.parametrize(("causes", "is_right"), [([SHARE, DECAY], True), ([SHARE], False), ([DECAY], False), ([], False)])
def test_reasons_must_add_up(settings: Settings, causes: list[dict[str, Any]], is_right: bool) -> None:
    statement = {"at": 1.0, "ver": 3, "before": 10.0, "after": 12.0, "causes": causes}
    right = {**statement, "causes": [SHARE, DECAY]}
    report = Report()
    with session(settings) as client:
        client.rpush(f"{settings.redis_prefix}why:account:ann", json.dumps(right), json.dumps(statement))
        client.rpush(f"{settings.redis_prefix}why:account:ben@topic:ai", json.dumps(right))
        compare_statements(settings, client, report)
    assert (report.compared["statements"], report.ok) == (3, is_right)
    assert report.ok or (report.mismatches[0].expected, report.mismatches[0].entity) == (2.0, "account:ann")
