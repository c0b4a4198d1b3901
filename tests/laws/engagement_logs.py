"""Random engagement logs, and folding them in pieces."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from hypothesis import strategies as st

from streams.columns.hashing import hash_names
from streams.columns.texts import Texts
from streams.events.engagements import TWEET, Engagements, decode, encode
from streams.settings import Settings
from streams.tables.entity_rows import ROW, EntityRows
from streams.tables.fold import fold

SETTINGS = Settings()
START_S = 1.7e9
INTEGERS = ("posts", "likes", "shares", "replies")
DECAYED = ("engaged", "made", "fast", "day", "reach", "network")


@dataclass(frozen=True)
class Engagement:
    """One engagement of event `e`; who is an account number, target an entity name."""

    e: int
    target: bytes
    actor: int
    at: float
    kind: int
    undo: bool = False
    factors: tuple[float, ...] = (0.63, 1.0, 1.0, 1.0, 1.0)
    standing: float = 0.3


def record_of(part: Sequence[Engagement], source: str = "events") -> Engagements:
    """Return one engagements record, as it comes out of Kafka."""
    actors = [b"account:person%d" % x.actor for x in part]
    names = sorted({x.target for x in part} | set(actors))
    place = {name: i for i, name in enumerate(names)}
    lo, hi = hash_names(names)
    base = min((x.e for x in part), default=0)
    columns = [np.array([x.factors[i] for x in part], dtype=np.float32) for i in range(5)]
    record = Engagements(
        source, 0, base,
        np.array([x.at for x in part], dtype=np.float64),
        np.array([x.e - base for x in part], dtype=np.uint32),
        np.array([place[x.target] for x in part], dtype=np.uint32),
        np.array([place[a] for a in actors], dtype=np.uint32),
        *columns,
        np.array([x.standing for x in part], dtype=np.float32),
        np.array([x.kind | x.undo << 2 for x in part], dtype=np.uint8),
        lo, hi, Texts.of(names),
    )  # fmt: skip
    return decode(encode(record))


def folded(parts: Iterable[Sequence[Engagement]], settings: Settings = SETTINGS) -> EntityRows:
    """Return a table that folded one record per part."""
    table = EntityRows(settings)
    for offset, part in enumerate(parts):
        fold(table, [record_of(part)], [offset])
    return table


def split(log: Sequence[Engagement], cuts: Iterable[int]) -> list[list[Engagement]]:
    """Return the log in pieces; the engagements of one event stay together, as intake keeps them."""
    starts = [i for i in range(len(log)) if i == 0 or log[i].e != log[i - 1].e]
    at = sorted({starts[c % len(starts)] for c in cuts} | {0}) if starts else [0]
    return [list(log[a:b]) for a, b in zip(at, [*at[1:], len(log)], strict=True)]


def rows_by_name(table: EntityRows) -> dict[bytes, dict[str, float]]:
    """Return each entity's row, without the columns that name an offset."""
    live = table.live()
    rows = table.rows[live]
    return {
        name: {field: row[field].item() for field in ROW.names or () if field not in ("off", "born")}
        for name, row in zip(table.names.get(live), rows, strict=True)
    }


def assert_same_rows(expected: EntityRows, found: EntityRows) -> None:
    """Integers are equal, decayed counters within 1e-9 of what was ever added to them."""
    a, b = rows_by_name(expected), rows_by_name(found)
    assert a.keys() == b.keys()
    for name, row in a.items():
        for field in (*INTEGERS, "at"):
            assert row[field] == b[name][field], (name, field)
        scale = 1 + row["likes"] + row["shares"] + row["replies"]  # where an undo leaves a difference of equals
        for field in DECAYED:
            tolerance = 1e-9 * abs(row[field]) + 1e-13 * abs(scale)
            assert abs(row[field] - b[name][field]) <= tolerance, (name, field, row[field], b[name][field])


@st.composite
def logs(draw: st.DrawFn, undo: bool = True, most: int = 250) -> list[Engagement]:
    """Logs with fan-out, posts, undo, late events and entities on both sides of 32 people."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    size = draw(st.integers(1, most))
    people = draw(st.sampled_from([3, 34, 40, 120]))
    entities = draw(st.integers(1, 4))
    jitter_s = draw(st.sampled_from([0.0, 60.0, 86400.0, 40 * 86400.0]))
    log: list[Engagement] = []
    done: list[Engagement] = []
    for e in range(size):
        at = START_S + e * 30.0 + float(rng.uniform(-1, 1)) * jitter_s
        kind, actor = int(rng.integers(4)), int(rng.integers(people))
        if undo and done and rng.random() < 0.1:
            log.append(replace(done[rng.integers(len(done))], e=e, undo=True))
            continue
        factors = tuple(float(f) for f in rng.choice([0.0, 0.1, 0.26, 0.63, 1.0], p=[0.02, 0.18, 0.2, 0.2, 0.4], size=5))
        if kind == TWEET:
            factors = (1.0,) * 5
        standing = float(rng.choice([0.0, 0.2, 0.9]))
        author = int(rng.integers(entities)) if rng.random() < 0.4 else 0
        targets = [b"account:author%d" % author]
        if rng.random() < 0.3:
            targets.append(b"topic:t")
        for target in targets:
            log.append(Engagement(e, target, actor, at, kind, False, factors, standing))
        done.append(log[-1])
    return log
