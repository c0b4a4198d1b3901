"""`verify` and the reasons of changes: those that don't add up are a mismatch, those of an earlier release are left alone."""

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
UNCOUNTED: dict[str, Any] = {"kind": "share", "actor": "bob", "points": 2.5}


@pytest.mark.parametrize(
    ("causes", "compared", "is_right"),
    [([SHARE, DECAY], 1, True), ([SHARE], 1, False), ([DECAY], 1, False), ([UNCOUNTED], 0, True)],
)
def test_reasons_must_add_up(settings: Settings, causes: list[dict[str, Any]], compared: int, is_right: bool) -> None:
    change = {"entity": "account:ann", "before": 10.0, "after": 12.0, "causes": causes, "ver": 3}
    last = settings.partitions - 1
    report = Report()
    with session(settings) as client:
        client.xadd(f"{settings.redis_prefix}changes:{last}", {"json": json.dumps(change)})
        compare_statements(settings, client, report)
    assert (report.compared["statements"], report.ok) == (compared, is_right)
    assert report.ok or report.mismatches[0].expected == 2.0
