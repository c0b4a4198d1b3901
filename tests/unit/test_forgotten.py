"""Who is forgotten: what the control topic says of it, what isn't counted, and what no flush names."""

from __future__ import annotations

import json
import time
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock

import numpy as np
import orjson
import pytest

from agents.counters import Counters
from agents.discretion import Discretion
from agents.rebuilder import Rebuilder
from streams import entities
from streams.alerts.places import Place, looked, without
from streams.alerts.rules import Rule, checked
from streams.columns.hashing import hash_names
from streams.control.campaigns import ACTIVATION_S
from streams.control.forgetting import Forgetting, encode, id_of
from streams.control.hiding import encode as encode_hidden
from streams.control.state import ControlRecord, ControlState, Fetched
from streams.errors import CloutstreamError
from streams.intake.take import take
from streams.kafka.range import Range
from streams.redis.writer import BUILD, Written
from streams.settings import Settings
from streams.tables import forgetting as walking
from streams.tables.actor_rows import ActorRows
from streams.tables.entity_rows import EntityRows
from streams.tables.flush import take_flush
from streams.tables.fold import fold
from streams.tables.forgetting import INTERVAL_S, Walk
from streams.tables.forgotten import NOBODY, Forgotten
from streams.tables.states import EntityState
from streams.verify.event import Event
from streams.verify.forgotten import Forgotten as Recounted

AT_MS = 1_700_000_000_000
SETTINGS = Settings(partitions=1)
ODD = "rita@höst%"


def forgotten(*accounts: str, since_ms: int = 0) -> Forgotten:
    return Forgotten({id_of(account): Forgetting(since_ms) for account in accounts})


def told(*records: tuple[str, bytes | None]) -> ControlState:
    state = ControlState()
    state.apply(Fetched([ControlRecord(i, AT_MS + i, key.encode(), value) for i, (key, value) in enumerate(records)], None))
    return state


def taken(*events: dict[str, Any], forgotten: Forgotten = NOBODY, actors: ActorRows | None = None) -> Any:
    values = [json.dumps({"id": f"e{i}", "at": AT_MS / 1000 - 1, **event}).encode() for i, event in enumerate(events)]
    stamps = [event.get("broker_ms", AT_MS) for event in events]
    content = Range("events", 0, [*range(len(values))], stamps, [None] * len(values), [*values], 0)
    return take([content], actors or ActorRows(), EntityRows(SETTINGS), SETTINGS, forgotten=forgotten)


def like(actor: str, author: str, **more: Any) -> dict[str, Any]:
    return {"kind": "like", "actor": actor, "author": author, **more}


def test_who_is_forgotten_is_so_from_the_first_record_on_and_the_last_one_says_all() -> None:
    key, first = f"forget:{id_of(ODD)}", encode(Forgetting())
    since_ms = AT_MS + int(ACTIVATION_S * 1000)
    state = told((key, first), (key, first))
    assert state.forgotten == {id_of(ODD): Forgetting(since_ms)}
    assert told((key, encode(state.forgotten[id_of(ODD)]))).forgotten == state.forgotten
    assert ODD.encode() not in key.encode() + first


@pytest.mark.parametrize(("name", "value"), [("ann", b'{"version":1,"since_ms":0}'), (id_of("ann"), b'{"version":1}'), ("", b"")])
def test_what_is_no_forgetting_is_left_out(name: str, value: bytes) -> None:
    assert told((f"forget:{name}", value)).forgotten == {}


@pytest.mark.parametrize("kind", ["forget", "hide"])
def test_a_record_of_a_newer_release_is_an_error(kind: str) -> None:
    with pytest.raises(CloutstreamError, match="version 2; expected 1"):
        told((f"{kind}:{id_of('ann')}", b'{"version":2,"since_ms":0}'))


def test_hidden_accounts_are_those_not_taken_away_again() -> None:
    hide = encode_hidden()
    assert told(("hide:a:b", hide), ("hide:ann", hide), ("hide:ann", None), ("hide:x", b"[]")).hidden == {"a:b"}


def test_events_by_or_of_somebody_forgotten_do_not_count_from_then_on() -> None:
    events = [
        like(ODD, "bob"), like("bob", ODD), like("cem", "bob"), like(ODD, ODD),
        like(ODD, "bob", broker_ms=AT_MS - 1), like("cem", ODD, broker_ms=AT_MS - 1), like("cem", "bob", id="e2"),
    ]  # fmt: skip
    actors = ActorRows()
    found = taken(*events, forgotten=forgotten(ODD, "else", since_ms=AT_MS), actors=actors)
    assert {name: n for name, n in found.outcomes.items() if n} == {"forgotten": 2, "self": 1, "duplicate": 1, "applied": 3}
    offsets = [int(o) for _, record in found.engagements for o in record.offsets]
    assert sorted(offsets) == [2, 4, 5]
    recount = Recounted()
    recount.tell(b"forget:" + id_of(ODD).encode(), encode(Forgetting(AT_MS)), AT_MS + 60_000)
    dropped = [recount.drops(Event("", 1, e["actor"], e["author"], 0.0, (), False), e.get("broker_ms", AT_MS)) for e in events]
    assert dropped == [True, True, False, True, False, False, False]


def test_whoever_is_called_as_something_else_is_does_not_take_that_along() -> None:
    who = forgotten("like", "jump", "entity", "r1", "ai")
    causes = [{"kind": "like", "actor": "bob", "points": 1.0}]
    assert not who.is_named_in({"id": "x", "rule": "r1", "kind": "jump", "entity": "account:ann@topic:ai", "causes": causes})
    assert not who.is_named_in({"kind": "top", "entity": "topic:tea", "displaced": ["ai"], "causes": []})
    assert who.is_named_in({"entity": "account:ann", "causes": [*causes, {"kind": "like", "actor": "like", "points": 1.0}]})


def test_a_whole_batch_may_be_of_somebody_forgotten() -> None:
    found = taken(like(ODD, "bob"), like("bob", ODD), forgotten=forgotten(ODD, since_ms=AT_MS))
    assert (found.engagements, found.outcomes["forgotten"], found.outcomes["applied"]) == ([], 2, 0)


def test_names_are_known_in_every_form() -> None:
    who = forgotten(ODD)
    name = entities.account(ODD)
    assert [who.has(n.encode()) for n in (name, f"{name}@topic:x", "account:rita", f"topic:{ODD}", "topic:x")] == [
        True, True, False, False, False,
    ]  # fmt: skip
    assert who.is_named_in({"causes": [{"actor": ODD, "points": 1.0}]})
    assert who.is_named_in({"entity": "account:bob", "causes": [], "displaced": [ODD]})
    assert who.is_named_in({"entity": "account:bob@topic:x", "causes": [], "displaced_by": ["ann", ODD]})
    assert who.is_named_in({"entity": f"{name}@topic:x", "causes": []})
    assert not who.is_named_in({"entity": "account:bob", "causes": [{"actor": "rita", "points": None}], "n": 3})
    assert who.fingerprint == forgotten(ODD, since_ms=7).fingerprint != forgotten(ODD, "bob").fingerprint
    assert (NOBODY.fingerprint, bool(NOBODY)) == ("", False)


def test_rows_of_somebody_forgotten_go_and_do_not_come_again() -> None:
    table = EntityRows(SETTINGS)
    events = [like("bob", ODD, tags=["x"]), like("bob", "cem", tags=["x"])]
    records = [record for _, record in taken(*events).engagements]
    fold(table, records, [0])
    states = {0}
    walk = Walk(table)
    walk.step(states, 0.0)
    assert table.doomed([0]) == {}
    table.forget(forgotten(ODD))
    walk.step(states, 0.0)
    name = entities.account(ODD).encode()
    assert table.doomed([1]) == {}
    assert sorted(table.doomed([0])[0]) == [name, name + b"@topic:x"]
    flush = take_flush(table)
    assert sorted(flush.keys) == [b"account:cem", b"account:cem@topic:x", b"topic:x"]
    fold(table, records, [1])  # what was before, met later: it was already applied, and makes no row
    table.find_or_add(*hash_names([name]), [name], np.array([0]))
    assert table.doomed([0]) == {0: [name]}
    assert len(table) == 3


def test_a_walk_begins_again_for_a_partition_that_comes_and_not_too_often(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: list[int] = []
    monkeypatch.setattr(walking, "look", lambda _, rows: looked_at.append(len(rows)))
    table, owned = EntityRows(SETTINGS), {0}
    fold(table, [record for _, record in taken(like("bob", "cem")).engagements], [0])
    walk = Walk(table)
    for now_s in (0.0, 100.0):
        walk.step(owned, now_s)
    assert looked_at == []  # nobody is forgotten
    table.forget(forgotten(ODD))
    for now_s in (200.0, 300.0):
        walk.step(owned, now_s)
    assert looked_at == [1]
    owned = {0}  # assigned again
    walk.step(owned, 300.0)
    assert looked_at == [1, 1]
    table.forget(forgotten(ODD, "bob"))
    walk.step(owned, 300.0 + INTERVAL_S / 2)
    assert looked_at == [1, 1]
    walk.step(owned, 300.0 + INTERVAL_S)
    assert looked_at == [1, 1, 1]


def test_no_flush_names_somebody_forgotten_and_what_named_them_is_written_again() -> None:
    table = EntityRows(SETTINGS)
    share = {"kind": "share"}
    # Of `big` nobody knows who its people are: there are more than an exact set holds.
    events = [like(f"fan{n}", "big") | share for n in range(40)]
    events += [like(ODD, "big") | share, like(ODD, "bob") | share, like("fan1", "cem") | share]
    fold(table, [record for _, record in taken(*events).engagements], [0])
    before = {key: (row, score.encode()) for key, row, score in zip(*_flushed(table), strict=True)}
    assert any(ODD.encode() in score for _, score in before.values())
    assert _flushed(table)[0] == []
    table.forget(forgotten(ODD))
    Walk(table).step({0}, 0.0)
    assert sorted(_flushed_keys(table)) == [b"account:big", b"account:bob"]


def _flushed(table: EntityRows) -> tuple[list[bytes], list[bytes], list[Any]]:
    flush = take_flush(table)
    return flush.keys, flush.rows, flush.scores


def _flushed_keys(table: EntityRows) -> list[bytes]:
    keys, rows, scores = _flushed(table)
    name = entities.account(ODD).encode()
    assert not any(ODD.encode() in score.encode() or name in row for row, score in zip(rows, scores, strict=True))
    assert all(orjson.loads(score.encode())["change"] for score in scores)  # told again, without
    return keys


def test_a_pending_cause_goes_with_its_row_written_again() -> None:
    table = EntityRows(Settings(partitions=1, change_threshold=50.0))
    fold(table, [record for _, record in taken(like("ann", "bob"), like(ODD, "bob")).engagements], [0])
    table.rows["published"][: len(table)] = 4.0  # so that no change is sent, and causes wait
    (row,) = _flushed(table)[1]
    assert entities.account(ODD).encode() in row
    table.forget(forgotten(ODD))
    Walk(table).step({0}, 0.0)
    (row,) = _flushed(table)[1]
    assert entities.account(ODD).encode() not in row
    assert b"account:ann" in row


def test_who_took_an_engagement_back_is_no_cause_any_more() -> None:
    table = EntityRows(SETTINGS)
    events = [like("ann", "bob"), like(ODD, "bob"), like(ODD, "bob", id="e1", undo=True)]
    fold(table, [record for _, record in taken(*events).engagements], [0])
    change = orjson.loads(take_flush(table).scores[0].encode())["change"]
    assert [cause["actor"] for cause in change["causes"] if "actor" in cause] == ["ann"]
    assert {cause["kind"] for cause in change["causes"]} == {"like", "others", "undone"}


def test_a_score_that_names_somebody_forgotten_and_was_written_late_is_written_again() -> None:
    table = EntityRows(SETTINGS)
    fold(table, [record for _, record in taken(like(ODD, "bob"), like("ann", "cem")).engagements], [0])
    keys, _, scores = _flushed(table)
    state, control = EntityState(table, 0), SimpleNamespace(forgotten=NOBODY)
    app: Any = SimpleNamespace(control=control, holds=lambda _: True, entities=SimpleNamespace(partition=lambda _: state))
    scorer: Any = None
    discretion = Discretion(app, scorer)

    def published() -> list[bytes]:
        records = [(key, offset, score) for offset, (key, score) in enumerate(zip(keys, scores, strict=True))]
        kept = discretion.named_out(0, records)
        assert [(key, offset) for key, offset, _ in kept] == [(key, offset) for key, offset, _ in records]
        return _flushed(table)[0]

    assert published() == []
    control.forgotten = forgotten(ODD)
    table.forget(control.forgotten)
    assert published() == [b"account:bob"]


async def test_a_rebuild_writes_nobody_whom_it_says_to_know_forgotten() -> None:
    """A worker that lost its partition may know them before its table does, which no flush would clear any more."""
    table = EntityRows(SETTINGS)
    fold(table, [record for _, record in taken(like("ann", ODD), like("ann", "bob")).engagements], [0])
    state, buried, written = EntityState(table, 0), [], []
    app: Any = SimpleNamespace(
        control=SimpleNamespace(forgotten=forgotten(ODD)), clock=time, entity_rows=table, owned={0}, counters=Counters(),
        entities=SimpleNamespace(partition=lambda _: state, store=SimpleNamespace(partitions={0: state})),
    )  # fmt: skip
    scorer: Any = SimpleNamespace(bury=lambda p, key: buried.append(key))

    async def write(partition: int, items: list[list[Any]], known: str) -> Written:
        assert known == app.control.forgotten.fingerprint
        written.extend((name, version < 0) for name, version, *_ in items)
        return Written(BUILD)

    writer, definitions = AsyncMock(write=write, token="t"), AsyncMock()
    await Rebuilder(app, definitions, Discretion(app, scorer)).rebuild(writer)
    assert sorted(written) == [("account:bob", False), (entities.account(ODD), True)]
    assert buried == [entities.account(ODD).encode()]


def test_a_clock_that_was_set_back_holds_no_partition_up() -> None:
    state = ControlState()
    app: Any = SimpleNamespace(control=SimpleNamespace(state=state, forgotten=NOBODY), owned_since_s=1000.0)
    scorer: Any = None
    discretion = Discretion(app, scorer)

    def may_write(*looks_s: float) -> bool:
        for begun_s in looks_s:
            state.apply(Fetched([], begun_s))
        discretion.look()
        return discretion.may_write

    assert [may_write(999.0), may_write(400.0), may_write(400.5)] == [False, False, True]
    app.owned_since_s = 401.0
    assert [may_write(), may_write(401.2)] == [False, True]


def test_a_board_forgets_a_member_without_a_word() -> None:
    rule = checked(Rule(id="top", kind="top", scope="all", n=2, cooldown_s=0.0))
    first = looked(rule, b"", [Place(ODD, 5.0), Place("bob", 4.0)], 1.0)
    assert first is not None
    known = without(first.taken, forgotten(ODD).has_account)
    assert ODD.encode() not in known
    assert without(known, forgotten(ODD).has_account) is known
    assert without(b"", forgotten(ODD).has_account) == b""
    assert looked(rule, known, [Place("bob", 4.0)], 2.0) is None
    after = looked(rule, known, [Place("bob", 4.0), Place("cem", 3.0)], 2.0)
    assert after is not None
    assert list(after.alerts) == ["account:cem"]
    assert not any(map(forgotten(ODD).is_named_in, after.alerts.values()))
