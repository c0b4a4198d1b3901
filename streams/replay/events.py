"""JSON lines of events in Cloutstream's own format: passed on as they are, placed by their actor."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec


class _Placed(msgspec.Struct):
    actor: str


class _Timed(msgspec.Struct):
    at: float | str


_placed = msgspec.json.Decoder(_Placed)
_timed = msgspec.json.Decoder(_Timed)
_UNREADABLE = (msgspec.DecodeError, UnicodeError, RecursionError)  # the last of what is nested thousands deep


def newest_time(lines: Sequence[bytes]) -> float | None:
    """Return the newest time of the lines, epoch s, or None."""
    return max((time for line in lines if (time := _time_of(line)) is not None), default=None)


def records(lines: Sequence[bytes], first: int, shift_s: float) -> tuple[list[bytes | None], list[bytes]]:
    """Return keys and values of lines; `first` is of no use here: the lines bring their ids."""
    values = [_shifted(line, shift_s) for line in lines] if shift_s else list(lines)
    return [_actor_of(line) for line in lines], values


def _actor_of(line: bytes) -> bytes | None:
    try:
        # A lone surrogate in the JSON can't be UTF-8; such a line has no key and is refused further on.
        return _placed.decode(line).actor.encode()
    except _UNREADABLE:
        return None


def _time_of(line: bytes) -> float | None:
    try:
        return _epoch_s(_timed.decode(line).at)
    except _UNREADABLE:
        return None


def _epoch_s(time: object) -> float | None:
    if isinstance(time, int | float) and not isinstance(time, bool):
        return float(time)
    if not isinstance(time, str):
        return None
    try:
        parsed = datetime.fromisoformat(time)
    except ValueError:
        return None
    return parsed.timestamp() if parsed.tzinfo else None


def _shifted(line: bytes, shift_s: float) -> bytes:
    """Move `at` and `actor_since`, so that accounts keep their age; a line without a readable `at` stays as it is."""
    try:
        event = msgspec.json.decode(line)
    except _UNREADABLE:
        return line
    if not isinstance(event, dict) or _epoch_s(event.get("at")) is None:
        return line
    for name in ("at", "actor_since"):
        time = _epoch_s(event.get(name))
        if time is not None:
            event[name] = round(time + shift_s, 6)
    return msgspec.json.encode(event)
