"""Records of the scores topic: rendered from columns for Kafka, and the same text, in pieces, for Redis.

A record is a JSON object: the entity's name, its numbers, and perhaps a change event. Numbers stay the text they were rendered
to: what the record says is what Redis holds, and parsing and printing them again would cost more than the rest of publishing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

from streams.tables.reasons import combined

NUMBERS = (
    "score", "reach", "network", "amplification", "reach_pts", "network_pts", "amplification_pts", "momentum",
    "plus_minus", "posts", "likes", "shares", "replies", "at", "ver", "standing", "trending",
)  # fmt: skip
_TEMPLATE = '{"entity":%s,' + ",".join(f'"{name}":%s' for name in NUMBERS) + "}"
_AFTER_VERSION = len(NUMBERS) - NUMBERS.index("ver")
# An earlier release takes all of this from `causes` on for the causes, since it ends in an array, and passes it on as it is.
_CHANGE = ',"change":{"before":%s,"after":%s,"causes":%s,"moved":%s,"surge":[%s]}}'
_RECORD = re.compile(
    r'\{"entity":("(?:[^"\\]|\\.)*"),'
    + ",".join(f'"{name}":([^,{{}}]+)' for name in NUMBERS)
    + r'(?:,"change":\{"before":([^,{}]+),"after":([^,{}]+),"causes":(\[.*?\])'
    + r'(?:,"moved":([^,{}]+),"surge":\[([^\[\]]*)\])?\})?\}'
)


class Change(NamedTuple):
    """What a change event says beyond the score it led to, as JSON text; `causes` are `streams.tables.reasons`.

    `moved` is by how much the score moved within two fast half-lives, points. `surge` tells of one that is under way, or nothing.
    `span` has the versions of the first and the last change that are told as this one, where it isn't its record's alone.
    """

    before: str
    after: str
    causes: str
    moved: str = "0.0"
    surge: str = ""
    span: tuple[int, int] | None = None


class ScoreRecord(NamedTuple):
    """A record in pieces of JSON text: the entity's name, its numbers, and the change that rides on them.

    The numbers are one text, comma-separated in the order of `NUMBERS`: many records may wait to be published.
    """

    name: str
    numbers: str
    change: Change | None = None

    @property
    def version(self) -> int:
        """The engagements offset last folded into the entity."""
        return int(self.numbers.rsplit(",", _AFTER_VERSION)[1])

    @property
    def span(self) -> tuple[int, int]:
        """The versions of the first and the last change that the record tells of, if it tells of any."""
        return (self.change and self.change.span) or (self.version, self.version)

    def encode(self) -> bytes:
        """Return the record's value."""
        value = _TEMPLATE % (self.name, *self.numbers.split(","))
        if self.change is not None:
            value = value[:-1] + _CHANGE % self.change[:-1]
        return value.encode()


def records_of(names: Sequence[bytes], columns: Mapping[str, NDArray[Any]]) -> list[ScoreRecord]:
    """Return a record without a change per row: a column is rendered by one call, then the columns are laid into rows.

    Args:
        names: of entities.
        columns: all of `NUMBERS`; infinity becomes null.
    """
    named = [orjson.dumps(name.decode()).decode() for name in names]
    rows = map(",".join, zip(*(rendered(columns[number]) for number in NUMBERS), strict=True))
    return list(map(ScoreRecord, named, rows))


def rendered(column: NDArray[Any]) -> list[str]:
    """Return the JSON text of each number, floats with four decimals."""
    if not len(column):
        return []
    if column.dtype.kind == "f":
        column = np.round(column.astype(np.float64), 4)
    return orjson.dumps(np.ascontiguousarray(column), option=orjson.OPT_SERIALIZE_NUMPY)[1:-1].decode().split(",")


def decode(value: bytes) -> ScoreRecord:
    """Return the record in `value`.

    Raises:
        ValueError: not a score record of this version.
    """
    found = _RECORD.fullmatch(value.decode())
    if found is None:
        raise ValueError(f"not a score record of this version: {value[:120]!r}")
    name, *numbers, before, after, causes, moved, surge = found.groups()
    if before is None:
        return ScoreRecord(name, ",".join(numbers))
    if moved is None:  # an earlier release told the largest causes only
        causes = combined("[]", causes, float(after) - float(before))
    return ScoreRecord(name, ",".join(numbers), Change(before, after, causes, moved or "0.0", surge or ""))


def merged(older: ScoreRecord, newer: ScoreRecord) -> ScoreRecord:
    """Return the newer record of an entity, telling of the changes of both as one.

    A change goes on by its own versions: it may have been told already, or come once more, also after those that followed it.
    Of one version they tell the same change, and the later one may not know the reasons any more.
    """
    if older.change is None:
        return newer
    first, last = older.span
    if newer.change is None:
        return newer._replace(change=older.change._replace(span=(first, last)))
    begins, ends = newer.span
    if first <= begins and ends <= last:
        return newer._replace(change=older.change._replace(span=(first, last)))
    if begins <= first and last <= ends:
        return newer
    one, other = (older.change, newer.change) if first < begins else (newer.change, older.change)
    causes = combined(one.causes, other.causes, float(other.after) - float(one.before))
    span = min(first, begins), max(last, ends)
    return newer._replace(change=other._replace(before=one.before, causes=causes, surge=other.surge or one.surge, span=span))
