"""Rules: of which entities an alert says what. They lie in the control topic, key = `rule:id`, value = JSON.

jump     engaged with far more than usual, by trusted people, and moved by `points` within two fast half-lives
drop     fell by `points` within two fast half-lives
crosses  the score a change event tells of went over `value`, or under it
top      entered or left the first `n` places of the board of `scope`
goal     a number of one entity (`measure`) reached `value`; said once, whatever `cooldown_s`
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

import msgspec
from xxhash import xxh3_64_hexdigest

from streams import entities
from streams.errors import UsageError

FORMAT = 1
KINDS = ("jump", "drop", "crosses", "top", "goal")
MEASURES = ("score", "reach", "posts", "likes", "shares", "replies")
COOLDOWN_S = 1800.0
MOST_PLACES = 1000
_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_SECRET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Rule(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One rule; `checked` says which fields a kind needs. Either `entity` or `scope` says who is watched.

    `webhook` is a URL that is told of each alert; `secret` names the file with the key it is signed with.
    """

    format: int = 0  # always written; a value without one isn't a rule
    id: str
    kind: Literal["jump", "drop", "crosses", "top", "goal"]
    entity: str = ""
    scope: str = ""
    points: float = 0.0
    value: float = 0.0
    n: int = 0
    measure: str = ""
    cooldown_s: float = COOLDOWN_S
    webhook: str = ""
    secret: str = ""

    def watches(self, entity: str) -> bool:
        """Return whether the rule is about an entity."""
        if self.entity:
            return entity == self.entity
        return entities.board_scope(entities.parse(entity)) == self.scope


def checked(rule: Rule) -> Rule:
    """Return the rule.

    Raises:
        UsageError: it can't work; says which field, its value and what is valid.
    """
    problems = {
        "id": (rule.id, bool(_ID.fullmatch(rule.id)), "1 to 64 of a-z, 0-9 and -"),
        "who": (rule.entity or rule.scope, bool(rule.entity) != bool(rule.scope), "an entity or a scope, and one of them"),
        "scope": (rule.scope, not rule.scope or _is_scope(rule.scope), "all, topics, campaigns, topic:TAG or campaign:ID"),
        "entity": (
            rule.entity,
            not rule.entity or _is_entity(rule.entity),
            "account:ID, topic:TAG, campaign:ID or one in another",
        ),
        "cooldown_s": (rule.cooldown_s, 0 <= rule.cooldown_s <= 1e8, "seconds from 0 to 100,000,000"),
        "secret": (rule.secret, not rule.secret or bool(_SECRET.fullmatch(rule.secret)), "the name of a file, no path"),
        **_of_kind(rule),
    }
    for name, (found, is_valid, expected) in problems.items():
        if not is_valid:
            raise UsageError(f"rule {rule.id!r}: {name} is {found!r}; expected {expected}")
    return rule


def _of_kind(rule: Rule) -> dict[str, tuple[object, bool, str]]:
    if rule.kind in ("jump", "drop"):
        return {"points": (rule.points, 0.5 <= rule.points <= 99, "points from 0.5 to 99")}
    if rule.kind == "crosses":
        return {"value": (rule.value, 1 < rule.value <= 100, "a score above 1, at most 100")}
    if rule.kind == "top":
        return {
            "n": (rule.n, 1 <= rule.n <= MOST_PLACES, f"places from 1 to {MOST_PLACES}"),
            "who": (rule.entity or rule.scope, bool(rule.scope), "a scope: a board has many"),
        }
    return {
        "measure": (rule.measure, rule.measure in MEASURES, "one of " + ", ".join(MEASURES)),
        "value": (rule.value, 0 < rule.value < 1e15, "a number above 0"),
        "who": (rule.entity or rule.scope, bool(rule.entity), "one entity"),
    }


def _is_scope(scope: str) -> bool:
    if scope in ("all", "topics", "campaigns"):
        return True
    return _is_entity(scope) and not scope.startswith("account:")


def _is_entity(name: str) -> bool:
    try:
        entity = entities.parse(name)
        return bool(entity.id) and (entity.scope is None or (entity.type == "account" and _is_scope(entity.scope)))
    except ValueError:
        return False


def named(rule: Rule) -> Rule:
    """Return the rule under an id made from what it says: who adds it twice has it once."""
    text = encode(msgspec.structs.replace(rule, id=""))
    return msgspec.structs.replace(rule, id=f"{rule.kind}-{xxh3_64_hexdigest(text)[:8]}")


def encode(rule: Rule) -> bytes:
    """Return the record value of a rule."""
    return msgspec.json.encode(msgspec.structs.replace(rule, format=FORMAT))


def decode(value: bytes) -> Rule:
    """Return the rule in a record's value.

    Raises:
        ValueError: it isn't one, or of a later format.
    """
    rule = msgspec.json.decode(value, type=Rule)  # its errors are ValueErrors
    if rule.format != FORMAT:
        raise ValueError(f"a rule of format {rule.format}; expected {FORMAT}: another release wrote it")
    try:
        return checked(rule)
    except UsageError as e:
        raise ValueError(str(e)) from e


def described(rule: Rule) -> str:
    """Return what a rule says, for people."""
    who = rule.entity or {"all": "any account", "topics": "any topic", "campaigns": "any campaign"}.get(
        rule.scope, f"any account in {rule.scope}"
    )
    return {
        "jump": f"{who} jumps by {rule.points:g} points",
        "drop": f"{who} drops by {rule.points:g} points",
        "crosses": f"{who} crosses {rule.value:g}",
        "top": f"{who} enters or leaves the first {rule.n}",
        "goal": f"{who} reaches {rule.value:g} {rule.measure}",
    }[rule.kind]


def fold(_rule_id: str, _held: Rule | None, value: bytes, _timestamp_ms: int) -> Rule:
    """Return what a record of the control topic says: the last one of a rule says all.

    Raises:
        ValueError: as `decode`.
    """
    return decode(value)


class Rules:
    """The rules in force, sorted by what has to look at them.

    `goals`: entities with one; their records are looked at without a change, too. `tops`: those about boards. `on_changes`: the
    others.
    """

    def __init__(self, by_id: Mapping[str, Rule]) -> None:
        self.by_id = dict(by_id)
        rules = list(self.by_id.values())
        self.goals = frozenset(rule.entity.encode() for rule in rules if rule.kind == "goal")
        self.tops = [rule for rule in rules if rule.kind == "top"]
        self.on_changes = [rule for rule in rules if rule.kind != "top"]
