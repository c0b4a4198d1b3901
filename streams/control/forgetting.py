"""Forgetting a person: from when on their events don't count. Kept is a hash, so that they stay forgotten and their name goes.

The id of a definition is the XXH3-128 of the account's entity name, in hex: what the tables know accounts by. Who has a name can
ask whether it is forgotten; nobody gets a name out of the hash but by trying names.

What the broker takes at or after `since_ms` by the account, or of it, is dropped. `since_ms` is found as that of a campaign is
(`campaigns`), so that every worker, and a recount, drops the same. There is no way back.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass

import msgspec
import orjson
from xxhash import xxh3_128_hexdigest

from streams import entities
from streams.control import campaigns
from streams.errors import CloutstreamError

VERSION = 1
_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Forgetting:
    """That somebody is forgotten; `since_ms` is the broker's time from which on, epoch ms."""

    since_ms: int = 0


class _Versioned(msgspec.Struct):
    version: int


class _Record(_Versioned):
    since_ms: int


_VERSION, _RECORD = msgspec.json.Decoder(_Versioned), msgspec.json.Decoder(_Record)


def id_of(account: str) -> str:
    """Return what an account is forgotten under.

    >>> id_of("ann")
    '397dd89a4e9cf1c80ce31befa68f6692'
    """
    return xxh3_128_hexdigest(entities.account(account).encode())


def encode(forgetting: Forgetting) -> bytes:
    """Return a record's value; with `since_ms` 0 it is forgotten by this record, else that is told again."""
    return orjson.dumps({"version": VERSION, **asdict(forgetting)})


def fold(name: str, held: Forgetting | None, value: bytes, timestamp_ms: int) -> Forgetting:
    """Return what a record says after those before it: who is forgotten stays so, from the first time on.

    Args:
        name: the id, from the record's key.
        held: what those before said.
        value: the record's.
        timestamp_ms: the broker's time of it, epoch ms.

    Raises:
        CloutstreamError: a newer release wrote it.
        ValueError: it doesn't say that somebody is forgotten.
    """
    version = _VERSION.decode(value).version
    if version > VERSION:
        raise CloutstreamError(f"forget record of version {version}; expected {VERSION}: a newer release wrote it")
    if not _ID.fullmatch(name):
        raise ValueError(f"{name[:40]!r} isn't the hash of an account; expected 32 hexadecimal digits")
    told = _RECORD.decode(value).since_ms
    return held or Forgetting(told or timestamp_ms + int(campaigns.ACTIVATION_S * 1000))
