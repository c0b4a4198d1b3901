"""The oracle of `verify` and the pipeline were written apart: here they must agree."""

from __future__ import annotations

import json

import numpy as np
from engagement_logs import SETTINGS, logs, record_of, split
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from streams.events.decode import decode_events
from streams.events.engagements import encode
from streams.tables.entity_rows import COUNTS, EntityRows
from streams.tables.fold import fold
from streams.verify.decayed import chosen_of, count, decay
from streams.verify.event import parse
from streams.verify.log import log_of


@hypothesis_settings(max_examples=60)
@given(logs(most=350), st.lists(st.integers(0, 300), max_size=20))
def test_the_table_holds_what_the_oracle_recounts(log, cuts):
    parts = [encode(record_of(part)) for part in split(log, cuts)]
    parts.insert(len(parts) // 2, parts[0])  # a replay after a crash: its events were applied already
    table = EntityRows(SETTINGS)
    for offset, part in enumerate(split(log, cuts)):
        fold(table, [record_of(part)], [offset + (offset >= len(parts) // 2)])
    found = log_of(enumerate(parts), 0, len(parts))
    every = chosen_of(found, np.zeros(len(found.names), dtype=np.int64))
    counted = count(found, every)
    expected = decay(found, every, counted.newest_s, SETTINGS)
    rows = {name: row for name, row in zip(table.names.get(table.live()), table.rows[table.live()], strict=True)}
    targets = [i for i, last in enumerate(counted.last_offset.tolist()) if last >= 0]
    assert {found.names[i] for i in targets} == rows.keys()
    for i in targets:
        row = rows[found.names[i]]
        assert [row[name] for name in COUNTS] == counted.counts[i].tolist()
        for field, values in expected.values.items():
            assert abs(row[field] - values[i]) <= expected.tolerance[field][i] + 1e-300, (found.names[i], field)


TEXT = st.text(max_size=6) | st.sampled_from(["x" * 256, "x" * 257, "x" * 513, "a b", "\u00a0", "\u2028", "\x85", "\n"])
TIMES = (
    st.floats(allow_nan=True)
    | st.integers()
    | st.datetimes().map(lambda t: t.isoformat() + "Z")
    | st.from_regex(r"\A20\d\d-[01]\d-[0-3]\d[Tt ][0-2]\d:[0-5]\d:\d\d(\.\d{0,8})?([Zz]|[+-][0-2]\d:?[0-6]\d)?\Z")
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
GOOD = {
    "id": st.just("1"),
    "kind": st.sampled_from(["tweet", "like", "share", "reply"]),
    "actor": st.sampled_from(["a", "b"]),
    "author": st.sampled_from(["a", "b"]),
    "at": st.just(1.7e9),
}
MAYBE = {
    "post": TEXT,
    "tags": st.lists(TEXT, max_size=3),
    "actor_since": TIMES,
    "network": TEXT,
    "undo": st.booleans(),
    "other": ANYTHING,
}
EVENTS = st.fixed_dictionaries(GOOD, optional=MAYBE)


@st.composite
def records(draw: st.DrawFn) -> bytes:
    """Bytes that are nearly an event: one field replaced, or a few bytes."""
    event = draw(EVENTS)
    if draw(st.booleans()):
        name = draw(st.sampled_from([*GOOD, *MAYBE]))
        event[name] = draw(TIMES | ANYTHING if name in ("at", "actor_since") else TEXT | ANYTHING)
    value = json.dumps(event, ensure_ascii=draw(st.booleans())).encode(errors="surrogatepass")
    if draw(st.integers(0, 3)) == 0:
        at = draw(st.integers(0, len(value)))
        value = value[:at] + draw(st.binary(max_size=2)) + value[at + draw(st.integers(0, 2)) :]
    return value


@hypothesis_settings(max_examples=800)
@given(records() | st.binary(max_size=30))
def test_decoder_and_oracle_accept_and_refuse_the_same_bytes(value):
    events, refused = decode_events([value])
    event = parse(value)
    assert (event is None, 1) == (bool(refused), len(refused) + len(events.id)), [r.reason for r in refused]
    if event is not None:
        assert (event.id, event.actor, event.author) == (events.id[0], events.actor[0], events.author[0])
        assert (event.kind, event.is_undo, list(event.tags)) == (events.kind[0], events.undo[0], events.tags[0] or [])
        assert abs(event.at - events.at[0]) < 1e-5  # digits beyond the microsecond may be cut or rounded


@hypothesis_settings(max_examples=150)
@given(st.lists(records() | st.binary(max_size=10) | st.none(), max_size=8))
def test_a_bad_record_costs_its_neighbours_nothing(batch):
    events, refused = decode_events(batch)
    alone = [parse(value) for value in batch]
    assert [i for i, event in enumerate(alone) if event is None] == [r.index for r in refused]
    assert [i for i, event in enumerate(alone) if event is not None] == events.index.tolist()
