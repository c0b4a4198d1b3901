"""Hidden accounts: left out of all boards for as long as a definition says so. A worker brings them to Redis."""

from __future__ import annotations

import msgspec
import orjson

from streams.errors import CloutstreamError

VERSION = 1


class _Record(msgspec.Struct):
    version: int


_RECORD = msgspec.json.Decoder(_Record)


def encode(_: bool = True) -> bytes:
    """Return the value of a record that hides an account."""
    return orjson.dumps({"version": VERSION})


def fold(_account: str, _held: bool | None, value: bytes, _timestamp_ms: int) -> bool:
    """Return that the account is hidden: null takes that away, and nothing else says more.

    Raises:
        CloutstreamError: a newer release wrote it.
        ValueError: it isn't such a record.
    """
    version = _RECORD.decode(value).version
    if version > VERSION:
        raise CloutstreamError(f"hide record of version {version}; expected {VERSION}: a newer release wrote it")
    return True
