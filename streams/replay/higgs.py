"""SNAP's Higgs activity file: one `actor author unix_s kind` per line, the kinds RT (share), RE and MT (reply)."""

from __future__ import annotations

from collections.abc import Sequence

_KINDS = {b"RT": b"share", b"RE": b"reply", b"MT": b"reply"}
_MOST_DIGITS = 18  # a time with more can't be one, and int() of thousands of digits is slow


def newest_time(lines: Sequence[bytes]) -> float | None:
    """Return the newest time of the lines, epoch s, or None."""
    times = [int(fields[2]) for line in lines if _is_event(fields := line.split())]
    return float(max(times)) if times else None


def records(lines: Sequence[bytes], first: int, shift_s: float) -> tuple[list[bytes | None], list[bytes]]:
    """Return keys and events of lines numbered from `first`; the number makes the id, so equal lines stay two events."""
    shift = round(shift_s)  # the file's times are whole seconds
    keys: list[bytes | None] = []
    values: list[bytes] = []
    for number, line in enumerate(lines, first):
        fields = line.split()
        if not _is_event(fields):
            keys.append(None)
            values.append(line)
            continue
        actor, author, at, kind = fields
        if shift:
            at = b"%d" % (int(at) + shift)
        keys.append(actor)
        values.append(
            b'{"id":"higgs-%d","kind":"%b","actor":"%b","author":"%b","at":%b}' % (number, _KINDS[kind], actor, author, at)
        )
    return keys, values


def _is_event(fields: list[bytes]) -> bool:
    return (
        len(fields) == 4
        and fields[3] in _KINDS
        and fields[0].isdigit()
        and fields[1].isdigit()
        and fields[2].isdigit()
        and len(fields[2]) <= _MOST_DIGITS
    )
