"""Reasons as JSON text (`streams.tables.reasons`), made from columns: a statement is told with most scores that are published."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import orjson
from numpy.typing import NDArray

from streams.columns.index import Rows
from streams.columns.texts import Texts
from streams.entities import id_of
from streams.events.engagements import KINDS
from streams.model.damping import damper_of
from streams.tables.reasons import REST
from streams.tables.score_records import rendered

_DAMPED = 0.995  # "counted at 100 %" says nothing
_ID = len("account:")  # only accounts act; no id has control characters


def named_reasons(entries: NDArray[np.void], names: Texts, points: Sequence[str]) -> list[str]:
    """Return a reason for each of some actors.

    Args:
        entries: `ENTRY` of each, what it did of one kind.
        names: the actors' entity names, which `entries` have the numbers of.
        points: JSON text of what each is worth.
    """
    full, engaged = entries["full"], entries["engaged"]
    damped = engaged < _DAMPED * full
    counted = rendered(np.divide(engaged, full, out=np.ones(len(full)), where=damped))
    columns = (entries["kind"].tolist(), ids_json(names.pick(entries["actor"])), points, entries["count"].tolist())
    plain = [
        f'{{"kind":"{KINDS[kind]}","actor":{actor},"points":{worth},"count":{count}'
        for kind, actor, worth, count in zip(*columns, strict=True)
    ]
    return [
        f'{text},"counted":{part},"damped_by":"{damper_of(by)}"}}' if part != "1.0" else text + "}"
        for text, part, by in zip(plain, counted, entries["damping"].tolist(), strict=True)
    ]


def other_reasons(which: Rows, points: Sequence[str], counts: Rows) -> list[str]:
    """Return a reason for each of some that name nobody: numbers of `REST`, JSON text of points, and counts or 0."""
    return [
        f'{{"kind":"{REST[kind]}","points":{worth},"count":{count}}}' if count else f'{{"kind":"{REST[kind]}","points":{worth}}}'
        for kind, worth, count in zip(which.tolist(), points, counts.tolist(), strict=True)
    ]


def arrays(n: int, first: tuple[Rows, list[str]], second: tuple[Rows, list[str]]) -> list[str]:
    """Return n JSON arrays of what two lists have for each, given the number of the array that each item is in, ascending."""
    cuts = [np.searchsorted(line, np.arange(n + 1)).tolist() for line, _ in (first, second)]
    texts, more = first[1], second[1]
    bounds = zip(cuts[0][:-1], cuts[0][1:], cuts[1][:-1], cuts[1][1:], strict=True)
    return [f"[{','.join(texts[a:b] + more[c:d])}]" for a, b, c, d in bounds]


def ids_json(names: Texts) -> list[str]:
    """Return accounts' ids as JSON text, given their entity names."""
    blob, starts = names.data.tobytes(), (names.start + _ID).tolist()
    ends = (names.start + names.length).tolist()
    # Most ids are text as they stand, and finding that out for all of them is next to nothing.
    if blob.isascii() and not any(escape in blob for escape in (b"%", b'"', b"\\")):
        text = blob.decode()
        return [f'"{text[a:b]}"' for a, b in zip(starts, ends, strict=True)]
    return [_id_json(blob[a:b]) for a, b in zip(starts, ends, strict=True)]


def _id_json(encoded: bytes) -> str:
    if b"%" not in encoded and b'"' not in encoded and b"\\" not in encoded:
        return f'"{encoded.decode()}"'
    return orjson.dumps(id_of("account:" + encoded.decode())).decode()
