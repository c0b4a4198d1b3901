"""What rules say of one score record: pure, so that live alerts, and those a rule would have said, come from the same code."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import orjson
from xxhash import xxh3_64_hexdigest

from streams.alerts.rules import Rule
from streams.settings import Settings
from streams.tables.score_records import NUMBERS, ScoreRecord

_PLACE = {name: NUMBERS.index(name) for name in ("score", "reach", "posts", "likes", "shares", "replies", "at", "plus_minus")}
_FOREVER_S = 0.0
_ALWAYS = 2**53 - 1  # above every version
_KEPT_S = 7 * 86400.0


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert, and what decides whether it is written: see `alert.lua`.

    `version` is that of the score, `since` the last one before what is told of can have happened. An `episode` is alerted once,
    at least `cooldown_s` of event time after the last one of the rule and the entity; that is remembered for `kept_s` (0: for
    ever). `body` is JSON.
    """

    id: str
    rule: str
    entity: str
    at: float
    version: int
    since: int
    episode: str
    cooldown_s: float
    kept_s: float
    body: bytes


def judge(rules: Iterable[Rule], record: ScoreRecord, settings: Settings) -> list[Alert]:
    """Return what rules on changes say of a record."""
    entity = orjson.loads(record.name)
    said = []
    for rule in rules:
        if rule.watches(entity):
            alert = _judge(rule, entity, record, settings)
            if alert is not None:
                said.append(alert)
    return said


def _judge(rule: Rule, entity: str, record: ScoreRecord, settings: Settings) -> Alert | None:
    numbers, version = record.numbers.split(","), record.version
    if rule.kind == "goal":
        reached = float(numbers[_PLACE[rule.measure]])
        if reached < rule.value:
            return None
        more = {"measure": rule.measure, "value": rule.value, "reached": reached}
        alert = _alert(rule, entity, record, numbers, f"{rule.measure}:{rule.value:.15g}", more, kept_s=_FOREVER_S)
        # The episode alone decides: under the same id another goal may have been told of just now, and by this very version, and
        # nobody asks again for a goal that Redis was once asked to tell of.
        return replace(alert, since=_ALWAYS, cooldown_s=0.0)
    change = record.change
    if change is None:
        return None
    before, after, moved = float(change.before), float(change.after), float(change.moved)
    if rule.kind == "jump":
        if not change.surge or moved < rule.points:
            return None
        began = orjson.loads(change.surge)["began"]
        # Who folds the same engagements again after a crash may see the surge begin at another one of them.
        return _alert(rule, entity, record, numbers, f"surge:{began}", {}, since=began - 1)
    if rule.kind == "drop":
        # The same fall is seen for as long as it lies within the window.
        window_s = 2 * settings.half_life_fast_s
        return None if moved > -rule.points else _alert(rule, entity, record, numbers, str(version), {}, least_s=window_s)
    if (before < rule.value) == (after < rule.value):
        return None
    return _alert(rule, entity, record, numbers, str(version), {"value": rule.value, "up": after >= rule.value})


def _alert(
    rule: Rule, entity: str, record: ScoreRecord, numbers: list[str], episode: str, more: dict[str, Any], *,
    since: int | None = None, least_s: float = 0.0, kept_s: float = _KEPT_S,
) -> Alert:  # fmt: skip
    change = record.change
    at = float(numbers[_PLACE["at"]])
    cooldown_s = max(rule.cooldown_s, least_s)
    alert_id = alert_id_of(rule.id, entity, episode)
    body = {
        "id": alert_id,
        "rule": rule.id,
        "kind": rule.kind,
        "entity": entity,
        "at": at,
        "ver": record.version,
        "score": float(numbers[_PLACE["score"]]),
        "plus_minus": float(numbers[_PLACE["plus_minus"]]),
        **({} if change is None else {"before": float(change.before), "moved": float(change.moved)}),
        **more,
        "causes": [] if change is None else orjson.loads(change.causes),
        "behind": None if change is None or not change.surge else behind(orjson.loads(change.surge)),
    }
    kept_s = kept_s and max(kept_s, 2 * cooldown_s)
    since = record.version - 1 if since is None else since
    return Alert(alert_id, rule.id, entity, at, record.version, since, episode, cooldown_s, kept_s, orjson.dumps(body))


def alert_id_of(rule_id: str, entity: str, episode: str) -> str:
    """Return the id of an alert: whoever comes to it, and however often, it is the same."""
    return xxh3_64_hexdigest("\0".join((rule_id, entity, episode)).encode())


def behind(surge: dict[str, Any]) -> dict[str, Any]:
    """Return who is behind a surge, as alerts tell it.

    `people` are distinct trusted ones, counted up to 32. `low_trust_ratio` is the share of engagements by accounts that look new.
    `reply_to_like_ratio` is high where people talk back more than they agree; null without likes.
    """
    engagements = surge["likes"] + surge["shares"] + surge["replies"]
    return {
        "z": surge["z"],
        "counted": surge["counted"],
        "expected": surge["expected"],
        "people": surge["people"],
        "likes": surge["likes"],
        "shares": surge["shares"],
        "replies": surge["replies"],
        "low_trust_ratio": round(surge["low_trust"] / engagements, 4) if engagements else 0.0,
        "reply_to_like_ratio": round(surge["replies"] / surge["likes"], 4) if surge["likes"] else None,
    }
