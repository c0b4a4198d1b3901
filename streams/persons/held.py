"""What Kafka holds of an account: events, engagements, its rows and scores, refused and kept records, and definitions."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import numpy as np
import orjson

from streams import entities
from streams.control.reading import read_control
from streams.errors import ConfigurationError
from streams.events.engagements import KIND_MASK, KINDS, UNDO_BIT, decode
from streams.kafka.reading import Record, read_topic
from streams.settings import Settings
from streams.tables import actor_rows, entity_rows
from streams.tables.actor_codec import decode_row
from streams.tables.entity_codec import decode_rows
from streams.tables.ledger import GROUP, Open


class _Who(msgspec.Struct):
    actor: str = ""
    author: str = ""


_WHO = msgspec.json.Decoder(_Who)
Show = Callable[[str, float, float], None]


def held_in_kafka(settings: Settings, account: str, show: Show) -> dict[str, Any]:
    """Return what the topics hold of an account, as far as they are retained.

    Raises:
        ServiceUnavailable: Kafka can't be reached.
        ConfigurationError: a topic is missing.
    """
    name = entities.account(account).encode()
    held: dict[str, Any] = {}
    readers: dict[str, Callable[[], Any]] = {
        "events": lambda: [e for topic in settings.topic_names for e in _events(settings, topic, account)],
        "engagements": lambda: list(_engagements(settings, name)),
        "rows": lambda: _rows(settings, name),
        "actor": lambda: _actor(settings, name),
        "published": lambda: {k.decode(): orjson.loads(v) for k, v in _last(settings, settings.scores_topic, name).items()},
        "dead_letters": lambda: list(_raw(settings, settings.dead_letters_topic, account)),
        "kept_messages": lambda: list(_raw(settings, settings.kept_topic, account, is_optional=True)),
        "definitions": lambda: _definitions(settings, account, name.decode()),
    }
    for done, (what, read) in enumerate(readers.items()):
        show(f"reading {what.replace('_', ' ')}", done, len(readers))
        held[what] = read()
    return held


def _place(record: Record) -> dict[str, Any]:
    return {"topic": record.topic, "partition": record.partition, "offset": record.offset, "broker_ms": record.timestamp}


def _events(settings: Settings, topic: str, account: str) -> Iterator[dict[str, Any]]:
    for record in read_topic(settings, topic):
        try:
            who = _WHO.decode(record.value or b"")
        except (msgspec.MsgspecError, UnicodeError):
            continue  # refused: a dead letter has it
        if account in (who.actor, who.author):
            yield {**_place(record), "event": orjson.loads(record.value or b"")}


def _engagements(settings: Settings, name: bytes) -> Iterator[dict[str, Any]]:
    """Yield engagements by an account, and with it in whichever scope."""
    for record in read_topic(settings, settings.engagements_topic):
        batch = decode(record.value or b"")
        names = batch.names.tolist()
        mine = np.array([known.partition(b"@")[0] == name for known in names], dtype=bool)
        weight = batch.weight
        for i in np.flatnonzero(mine[batch.target] | mine[batch.actor]).tolist():
            yield {
                **_place(record),
                "actor": names[batch.actor[i]].decode(), "target": names[batch.target[i]].decode(),
                "kind": KINDS[batch.flags[i] & KIND_MASK], "undo": bool(batch.flags[i] & UNDO_BIT),
                "at": float(batch.at[i]), "weight": round(float(weight[i]), 6),
            }  # fmt: skip


def _last(settings: Settings, topic: str, name: bytes) -> dict[bytes, bytes]:
    """Return the last values of an account's keys, of it and of it inside scopes."""
    last: dict[bytes, bytes | None] = {}
    for record in read_topic(settings, topic):
        if record.key is not None and record.key.partition(b"@")[0] == name:
            last[record.key] = record.value
    return {key: value for key, value in last.items() if value is not None}


def _rows(settings: Settings, name: bytes) -> dict[str, Any]:
    found = _last(settings, settings.entities_changelog, name)
    decoded = decode_rows(list(found.values()))
    return {
        key.decode(): {
            **_fields(decoded.rows[i], entity_rows.ROW),
            "people": "a sketch" if decoded.sketched[i] else int(decoded.people_counts[i]),
            "reasons": _put_by(decoded.open[i]) if i in decoded.open else [],
        }
        for i, key in enumerate(found)
    }


def _put_by(open: Open) -> list[dict[str, Any]]:
    """Return who moved a row since its last change event, as far as it is noted by name."""
    groups = np.frombuffer(open.groups, GROUP)
    return [
        {"actor": entities.id_of(actor.decode()), "kind": KINDS[group["kind"]], "count": int(group["count"])}
        for actor, group in zip(open.actors, groups, strict=True)
    ]


def _actor(settings: Settings, name: bytes) -> dict[str, Any] | None:
    value = _last(settings, settings.actors_changelog, name).get(name)
    if value is None:
        return None
    row, targets = decode_row(value)
    recent = [_fields(target, actor_rows.TARGET) for target in targets]
    return {**_fields(row, actor_rows.ROW), "recent_targets": [{**t, "target": f"{t['target']:016x}"} for t in recent]}


def _fields(row: Any, dtype: np.dtype[np.void]) -> dict[str, Any]:
    return {field: row[field].item() for field in dtype.names or ()}


def _raw(settings: Settings, topic: str, account: str, *, is_optional: bool = False) -> Iterator[dict[str, Any]]:
    """Yield records with the account's id in their bytes, as it is or as JSON escapes it."""
    forms = {account.encode(), orjson.dumps(account)[1:-1], json.dumps(account)[1:-1].encode()}
    try:
        for record in read_topic(settings, topic):
            value = record.value or b""
            headers = {k: (v or b"").decode(errors="replace") for k, v in record.headers or ()}
            if any(form in value for form in forms) or account in headers.values():
                text = value.decode(errors="replace")
                yield {**_place(record), "headers": headers, "text": text, "base64": base64.b64encode(value).decode()}
    except ConfigurationError:
        if not is_optional:  # only `ingest` makes it
            raise


def _definitions(settings: Settings, account: str, name: str) -> dict[str, Any]:
    state = read_control(settings)
    return {
        "hidden": account in state.hidden,
        "campaigns": [campaign.name for campaign in state.campaigns if account in campaign.accounts],
        "rules": [rule.id for rule in state.rules.by_id.values() if rule.entity.partition("@")[0] == name],
    }
