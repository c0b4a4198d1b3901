"""From records of the scores topic to what the publishing script takes.

Numbers stay the text they are in the record: parsing and printing them again would cost more than all the rest.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec
import orjson

from streams import entities

# In the hash of an entity, as decimal strings: what the record says is what Redis holds. In the order of the script.
HASH_FIELDS = (
    "score", "reach", "network", "amplification", "reach_pts", "network_pts", "amplification_pts", "momentum", "plus_minus",
    "posts", "likes", "shares", "replies", "at", "ver",
)  # fmt: skip
_REACH_PTS, _AT, _VER = HASH_FIELDS.index("reach_pts"), HASH_FIELDS.index("at"), HASH_FIELDS.index("ver")
_NETWORK_PTS, _AMPLIFICATION_PTS, _PLUS_MINUS = _REACH_PTS + 1, _REACH_PTS + 2, HASH_FIELDS.index("plus_minus")

# A record as `streams.tables.score_records` writes it: the name, the numbers in order, and perhaps a change.
_RECORD = re.compile(
    r'\{"entity":("(?:[^"\\]|\\.)*"),'
    + ",".join(f'"{name}":([^,{{}}]+)' for name in (*HASH_FIELDS, "standing", "trending"))
    + r'(?:,"change":\{(.*)\})?\}'
)
# An entity's name can't hold this: its quotes would be escaped.
_CHANGE = b',"change":{"before":'
_packer = msgspec.msgpack.Encoder()


def expired(name: str) -> list[Any]:
    """Return the script's entry for an entity that expired."""
    return [name, -1, *_place(name)]


def entry(value: bytes, offset: int, published_at_s: float) -> tuple[list[Any], float]:
    """Return the script's entry for a score record, and the entity's event time.

    Args:
        value: the record's value.
        offset: where it stands in the scores topic: the identity of its change event.
        published_at_s: now, epoch s.

    Raises:
        ValueError: not a score record of this version.
    """
    found = _RECORD.fullmatch(value.decode())
    if found is None:
        raise ValueError(f"not a score record of this version: {value[:120]!r}")
    name_json, *numbers, standing, trending, change = found.groups()
    name = name_json[1:-1] if "\\" not in name_json else orjson.loads(name_json)
    boards = ["" if key == "null" else key for key in (standing, trending)]
    item = [name, int(numbers[_VER]), *_place(name), *boards, numbers]
    if change is not None:
        event = (
            f'{{"entity":{name_json},{change},"reach_pts":{numbers[_REACH_PTS]},"network_pts":{numbers[_NETWORK_PTS]},'
            f'"amplification_pts":{numbers[_AMPLIFICATION_PTS]},"at":{numbers[_AT]},"published_at":{published_at_s:.4f},'
            f'"ver":{numbers[_VER]},"plus_minus":{numbers[_PLUS_MINUS]}}}'
        )
        item += [f"{offset + 1}-0", event, f"[{numbers[_AT]},{numbers[0]}]"]
    return item, float(numbers[_AT])


def merged(older: bytes, newer: bytes) -> bytes:
    """Return the newer record of an entity with the change since before the older one, when that one carried a change."""
    start = older.rfind(_CHANGE)
    if start < 0:
        return newer
    before_end = older.index(b",", start + len(_CHANGE))
    own = newer.rfind(_CHANGE)
    if own < 0:
        return newer[:-1] + older[start:]
    return newer[:own] + older[start:before_end] + newer[newer.index(b",", own + len(_CHANGE)) :]


def pack(items: list[list[Any]]) -> bytes:
    """Return entries as the script takes them."""
    return _packer.encode(items)


def _place(name: str) -> tuple[str, str]:
    """Return the scope of the boards an entity stands on, and its member there."""
    if name.startswith("account:") and "@" not in name and "%" not in name:
        return "all", name[8:]
    entity = entities.parse(name)
    return entities.board_scope(entity), entity.id
