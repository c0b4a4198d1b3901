"""From a line to named values: JSON objects, CSV and TSV."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from typing import Any

import msgspec

Row = dict[str, Any]
FORMATS = ("json", "csv", "tsv")
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class Rows:
    """Reads lines of one file in order; of CSV and TSV the first line has the names, unless they are given."""

    def __init__(self, format: str, columns: Sequence[str] = ()) -> None:
        self._format = format
        self._columns = list(columns)

    def row(self, line: bytes) -> Row | None:
        """Return a line's values by name; None for the line that has the names.

        Raises:
            ValueError: it is no such line; the text says why.
        """
        if self._format == "json":
            return _object(line)
        text = line.rstrip(b"\r").decode()  # UnicodeDecodeError is a ValueError
        # A data set in TSV is written by programs that know no quotes; a quote there is a part of the value.
        values = text.split("\t") if self._format == "tsv" else _csv(text)
        if not self._columns:
            self._columns = values
            return None
        if len(values) != len(self._columns):
            raise ValueError(f"{len(values)} values, expected {len(self._columns)}")
        return dict(zip(self._columns, values, strict=True))


def value_at(row: Row, path: str) -> Any:
    """Return the value of a name, or of a path into nested objects such as `user.id`; None when there is none.

    >>> value_at({"user": {"id": 7}, "a.b": 8}, "user.id"), value_at({"user": {"id": 7}, "a.b": 8}, "a.b")
    (7, 8)
    """
    if path in row:
        return row[path]
    found: Any = row
    for name in path.split("."):
        if not isinstance(found, dict):
            return None
        found = found.get(name)
    return found


def _object(line: bytes) -> Row:
    try:
        return _decode(line)
    except (msgspec.MsgspecError, UnicodeError, RecursionError, OverflowError):
        raise ValueError("no JSON object") from None


def _csv(text: str) -> list[str]:
    try:
        return next(csv.reader([text], strict=True), [])
    except csv.Error as e:
        raise ValueError(str(e)) from None
