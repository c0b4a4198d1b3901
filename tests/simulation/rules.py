"""The alert rules of every schedule, and what they must have said of a score record, by the record's text alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from streams.alerts.rules import Rule, checked

CROSSED, LIKES = 3.0, 4
RULES = [
    checked(Rule(id="crosses", kind="crosses", scope="all", value=CROSSED, cooldown_s=0.0)),
    checked(Rule(id="top", kind="top", scope="all", n=2, cooldown_s=0.0)),
    checked(Rule(id="goal", kind="goal", entity="account:p0", measure="likes", value=LIKES)),
]


def due(record: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield rule and entity of the alerts that a score record asks for."""
    entity, change = record["entity"], record.get("change")
    is_account = entity.startswith("account:") and "@" not in entity
    if is_account and change and (change["before"] < CROSSED) != (change["after"] < CROSSED):
        yield "crosses", entity
    if entity == "account:p0" and record["likes"] >= LIKES:
        yield "goal", entity
