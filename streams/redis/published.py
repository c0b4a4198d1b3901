"""From records of the scores topic to what the publishing script takes."""

from __future__ import annotations

from typing import Any

import msgspec
import orjson

from streams import entities

# In the hash of an entity, in this order, as decimal strings: what the record says is what Redis holds.
HASH_FIELDS = (
    "score", "reach", "network", "amplification", "reach_pts", "network_pts", "amplification_pts", "momentum", "plus_minus",
    "posts", "likes", "shares", "replies", "at", "ver",
)  # fmt: skip

# Numbers stay the text they are: parsing and printing them again would cost more than all the rest.
_Record = msgspec.defstruct(
    "_Record",
    [
        ("entity", str),
        *((name, msgspec.Raw) for name in HASH_FIELDS if name not in ("at", "ver")),
        ("at", msgspec.Raw),
        ("ver", msgspec.Raw),
        ("standing", msgspec.Raw),
        ("trending", msgspec.Raw),
        ("change", msgspec.Raw, msgspec.Raw(b"")),
    ],
    gc=False,
)
_decoder = msgspec.json.Decoder(_Record)
_packer = msgspec.msgpack.Encoder()


def expired(name: str) -> list[Any]:
    """Return the script's entry for an entity that expired."""
    return [name, -1, *_place(name)]


def _place(name: str) -> tuple[str, str]:
    """Return the scope of the boards an entity stands on, and its member there."""
    if name.startswith("account:") and "@" not in name and "%" not in name:
        return "all", name[8:]
    entity = entities.parse(name)
    return entities.board_scope(entity), entity.id


def entry(value: bytes, offset: int, published_at_s: float) -> tuple[list[Any], float]:
    """Return the script's entry for a score record, and the entity's event time.

    Args:
        value: the record's value.
        offset: where it stands in the scores topic: the identity of its change event.
        published_at_s: now, epoch s.
    """
    record: Any = _decoder.decode(value)
    # As str: the servers' msgpack doesn't know the format's binary type.
    raws = [str(getattr(record, name), "ascii") for name in HASH_FIELDS]
    fields = [x for pair in zip(HASH_FIELDS, raws, strict=True) for x in pair]
    keys = ["" if key == "null" else key for key in (str(record.standing, "ascii"), str(record.trending, "ascii"))]
    item = [record.entity, int(raws[14]), *_place(record.entity), *keys, fields]
    at = float(raws[13])
    if len(bytes(record.change)):
        item += [f"{offset + 1}-0", _change(record, raws, published_at_s), f"[{raws[13]},{raws[0]}]"]
    return item, at


def pack(items: list[list[Any]]) -> bytes:
    """Return entries as the script takes them."""
    return _packer.encode(items)


def _change(record: Any, raws: list[str], published_at_s: float) -> str:
    change = orjson.loads(bytes(record.change))
    return orjson.dumps(
        {
            "entity": record.entity,
            **change,
            "reach_pts": orjson.loads(raws[4]),
            "network_pts": orjson.loads(raws[5]),
            "amplification_pts": orjson.loads(raws[6]),
            "at": orjson.loads(raws[13]),
            "published_at": round(published_at_s, 4),
            "ver": int(raws[14]),
            "plus_minus": orjson.loads(raws[8]),
        }
    ).decode()
