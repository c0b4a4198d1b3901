"""Who entered or left the first places of a board, between two looks at it.

Others' scores move an account as much as its own, so no score record tells of it; the board is looked at instead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec
import orjson

from streams import entities
from streams.alerts.judging import alert_id_of, behind
from streams.alerts.rules import Rule


class Place(NamedTuple):
    """A member of a board and its score."""

    member: str
    score: float


class Taken(msgspec.Struct):
    """What a board was taken for: how often it changed, who stands on its first places, and when each was last alerted."""

    looks: int = 0
    members: list[str] = []
    alerted: dict[str, float] = {}


@dataclass(frozen=True, slots=True)
class Looked:
    """What a look gives: what the board is taken for from now on, and alerts (JSON) by entity; None where nothing changed."""

    taken: bytes
    alerts: dict[str, dict[str, Any]]


def without(before: bytes, is_gone: Callable[[str], bool]) -> bytes:
    """Return what a board was taken for without members that are gone; the same bytes where none is."""
    if not before:
        return before
    held = msgspec.json.decode(before, type=Taken)
    members = [member for member in held.members if not is_gone(member)]
    alerted = {member: when for member, when in held.alerted.items() if not is_gone(member)}
    if len(members) == len(held.members) and len(alerted) == len(held.alerted):
        return before
    return msgspec.json.encode(Taken(held.looks, members, alerted))


def looked(rule: Rule, before: bytes, places: Sequence[Place], at_s: float) -> Looked | None:
    """Compare a board with what it was taken for.

    Args:
        rule: on its first `n` places.
        before: what it was taken for, empty at the first look, which says nothing.
        places: the first `n` now, best first.
        at_s: now, as readers take it, epoch s.
    """
    members = [place.member for place in places]
    held = msgspec.json.decode(before, type=Taken) if before else Taken()
    if before and set(members) == set(held.members):
        return None
    # Who goes in and out at the edge of the board is alerted once in a cool-down.
    alerted = {member: when for member, when in held.alerted.items() if at_s - when < rule.cooldown_s}
    entered = [place for place in places if place.member not in held.members] if before else []
    left = [member for member in held.members if member not in members] if before else []
    alerts: dict[str, dict[str, Any]] = {}
    for rank, place in enumerate(places, 1):
        if place in entered and place.member not in alerted:
            more = {"entered": True, "rank": rank, "score": place.score, "displaced": left}
            alerts |= _alert(rule, place.member, held.looks, at_s, more)
    for member in left:
        if member not in alerted:
            more = {"entered": False, "score": None, "displaced_by": [place.member for place in entered]}
            alerts |= _alert(rule, member, held.looks, at_s, more)
    alerted |= {entities.id_of(entity): at_s for entity in alerts}
    return Looked(msgspec.json.encode(Taken(held.looks + 1, members, alerted)), alerts)


def _alert(rule: Rule, member: str, looks: int, at_s: float, more: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    entity = entities.of_member(member, rule.scope)
    alert_id = alert_id_of(rule.id, entity, f"look:{looks}")
    head = {"id": alert_id, "rule": rule.id, "kind": rule.kind, "entity": entity, "at": round(at_s, 4), "n": rule.n}
    return {entity: {**head, **more, "causes": [], "behind": None}}


def explained(alert: dict[str, Any], changes: Sequence[bytes]) -> dict[str, Any]:
    """Return an alert with what the last of an entity's change events says of its causes.

    Args:
        alert: of an entity that entered.
        changes: change events of its partition, newest first.
    """
    name = b'{"entity":' + orjson.dumps(alert["entity"]) + b","
    for event in changes:
        if event.startswith(name):
            change = orjson.loads(event)
            surge = behind(change["surge"][0]) if change.get("surge") else None
            return {**alert, "before": change["before"], "causes": change["causes"], "behind": surge}
    return alert
