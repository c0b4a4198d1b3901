"""From records of the scores topic to what the publishing script takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import orjson

from streams import entities
from streams.tables.score_records import NUMBERS, ScoreRecord

# In the hash of an entity, as decimal strings, in the order of the script.
_HASH = slice(NUMBERS.index("score"), NUMBERS.index("ver") + 1)
HASH_FIELDS = NUMBERS[_HASH]
_SCORE, _AT, _VER, _STANDING, _TRENDING = (NUMBERS.index(name) for name in ("score", "at", "ver", "standing", "trending"))
_PLUS_MINUS, _REACH_PTS, _NETWORK_PTS, _AMPLIFICATION_PTS = (
    NUMBERS.index(name) for name in ("plus_minus", "reach_pts", "network_pts", "amplification_pts")
)
_VALUES = 6  # where an entry has the values of the hash
_packer = msgspec.msgpack.Encoder()


def expired(name: str) -> list[Any]:
    """Return the script's entry for an entity that expired."""
    return [name, -1, *_place(name)]


def entry(record: ScoreRecord, offset: int, published_at_s: float) -> list[Any]:
    """Return the script's entry for a score record.

    Args:
        record: the score.
        offset: where it stands in the scores topic: the identity of its change event.
        published_at_s: now, epoch s.
    """
    name_json, _, change = record
    fields = record.numbers.split(",")
    at, ver = fields[_AT], fields[_VER]
    name = name_json[1:-1] if "\\" not in name_json else orjson.loads(name_json)
    boards = ["" if key == "null" else key for key in (fields[_STANDING], fields[_TRENDING])]
    item = [name, int(ver), *_place(name), *boards, fields[_HASH]]
    if change is not None:
        told = record.span[1]
        event = (
            f'{{"entity":{name_json},"before":{change.before},"after":{change.after},"causes":{change.causes},'
            f'"moved":{change.moved},"surge":[{change.surge}],'
            f'"reach_pts":{fields[_REACH_PTS]},"network_pts":{fields[_NETWORK_PTS]},'
            f'"amplification_pts":{fields[_AMPLIFICATION_PTS]},"at":{at},"published_at":{published_at_s:.4f},'
            f'"ver":{told},"plus_minus":{fields[_PLUS_MINUS]}}}'
        )
        why = f'{{"at":{at},"ver":{told},"before":{change.before},"after":{change.after},"causes":{change.causes}}}'
        item += [f"{offset + 1}-0", event, f"[{at},{fields[_SCORE]}]", why, str(told)]
    return item


def event_time_s(item: list[Any]) -> float:
    """Return the time of the newest event of an entry's entity, epoch s."""
    return float(item[_VALUES][_AT])


def pack(items: Sequence[list[Any]]) -> bytes:
    """Return entries as the script takes them."""
    return _packer.encode(items)


def _place(name: str) -> tuple[str, str]:
    """Return the scope of the boards an entity stands on, and its member there."""
    if name.startswith("account:") and "@" not in name and "%" not in name:
        return "all", name[8:]
    entity = entities.parse(name)
    return entities.board_scope(entity), entity.id
