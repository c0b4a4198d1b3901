"""What a flush writes: every touched row, its public score, and a change event where the score moved far enough."""

from __future__ import annotations

from itertools import count
from math import log2
from typing import Any

import numpy as np
import orjson
import pytest

from streams.columns.hashing import hash_names
from streams.columns.texts import Texts
from streams.events.engagements import FACTORS, LIKE, SHARE, TWEET, UNDO_BIT, Engagements
from streams.settings import Settings
from streams.tables.entity_rows import EntityRows
from streams.tables.flush import Flush, flush_pieces, take_flush
from streams.tables.fold import fold
from streams.tables.marker import MARKER_KEY, Marker
from streams.tables.states import EntityState

AT_S = 1.7e9
FIELDS = [
    "entity", "score", "reach", "network", "amplification", "reach_pts", "network_pts", "amplification_pts", "momentum",
    "plus_minus", "posts", "likes", "shares", "replies", "at", "ver", "standing", "trending",
]  # fmt: skip


class Scored:
    """A partition's entities, to which new people each add a chosen weight."""

    def __init__(self, **settings: Any) -> None:
        self.state = EntityState(EntityRows(Settings(**settings)), 0)
        self._people, self._offsets = count(), count()
        self.records: list[tuple[int, Engagements]] = []

    @property
    def table(self) -> EntityRows:
        return self.state.table

    def engage(
        self, weight: float, target: str = "account:ben", actor: str | None = None, kind: int = SHARE, at: float = AT_S,
        **factors: float,
    ) -> None:  # fmt: skip
        """Fold one engagement as a record of its own."""
        actor = actor or f"account:person{next(self._people)}"
        offset = next(self._offsets)
        names = [target.encode(), actor.encode()]
        lo, hi = hash_names(names)
        one = np.ones(1, dtype=np.float32)
        damped = [one * np.float32(factors.get(name, 1.0)) for name in FACTORS[1:]]
        record = Engagements(
            "events", 0, offset, np.array([at]), np.zeros(1, np.uint32), np.zeros(1, np.uint32), np.ones(1, np.uint32),
            one * np.float32(weight), *damped, one * 0, np.array([kind], dtype=np.uint8), lo, hi, Texts.of(names),
        )  # fmt: skip
        self.records.append((offset, record))
        fold(self.table, [record], [offset])

    def flush(self) -> dict[str, Any]:
        """Flush; return the score records by entity."""
        return by_entity(take_flush(self.table))

    def to_score(self, score: float) -> dict[str, Any] | None:
        """Have new people lift account:ben to `score`; flush and return the change event, if any."""
        held = self.table.find(*hash_names([b"account:ben"]))
        reach = float(self.table.rows["reach"][held[0]]) if held[0] >= 0 else 0.0
        self.engage(2 ** ((score - 1) / 5) - 1 - reach)
        record = self.flush()["account:ben"]
        assert pytest.approx(score, abs=1e-4) == record["score"]
        change: dict[str, Any] | None = record.get("change")
        return change


def added_up(change: dict[str, Any]) -> float:
    """Return what is left of a change when its reasons are taken from it, without the rounding of adding up."""
    residual: float = round(change["after"] - change["before"] - sum(c["points"] for c in change["causes"]), 9)
    return residual


def by_entity(flush: Flush) -> dict[str, Any]:
    records = [orjson.loads(record.encode()) for record in flush.scores]
    assert [key.decode() for key in flush.keys] == [record["entity"] for record in records]
    return {record["entity"]: record for record in records}


def test_a_score_record_has_every_field_in_order_and_no_change_when_little_moved():
    scored = Scored()
    scored.engage(0.05)
    (score,) = take_flush(scored.table).scores
    record = orjson.loads(score.encode())
    assert list(record) == FIELDS
    assert tuple(record[f] for f in ("entity", "posts", "likes", "shares", "replies", "at", "ver")) == (
        "account:ben",
        0,
        0,
        1,
        0,
        AT_S,
        0,
    )
    assert pytest.approx(1 + 5 * log2(1.05), abs=1e-4) == record["score"]
    assert pytest.approx(record["score"] - 1, abs=2e-4) == sum(
        record[f] for f in ("reach_pts", "network_pts", "amplification_pts")
    )
    h = scored.table.settings.half_life_slow_s
    assert pytest.approx(5 * log2(0.05) + 5 * AT_S / h, abs=1e-4) == record["standing"]


def test_nobody_without_influence_stands_on_a_board():
    scored = Scored()
    scored.engage(1.0, kind=TWEET, actor="account:ben")
    record = scored.flush()["account:ben"]
    assert (record["standing"], record["trending"], record["posts"], record["score"]) == (None, None, 1, 1.0)


def test_a_name_is_whatever_it_is():
    scored = Scored()
    odd = 'account:"\\{🦀}\u202e%25'
    scored.engage(1.0, odd, 'account:"eve"')
    record = scored.flush()[odd]
    assert record["change"]["causes"][0]["actor"] == '"eve"'


def test_a_change_is_said_from_half_a_point_on():
    scored = Scored()
    assert scored.to_score(1.48) is None
    change = scored.to_score(1.501)
    assert change is not None
    assert (1.0, pytest.approx(1.501, abs=1e-4)) == (change["before"], change["after"])


def test_small_steps_add_up_to_a_change():
    scored = Scored()
    said = [scored.to_score(1 + step / 10) is not None for step in range(1, 4)]  # 1.3 shows as 1
    assert said == [False] * 3
    assert scored.to_score(1.4999) is None  # shows as 1 as well
    assert scored.to_score(1.52) is not None
    assert scored.to_score(1.53) is None


def test_another_shown_integer_is_a_change_once_it_moved_two_tenths():
    scored = Scored()
    assert scored.to_score(2.4) is not None
    assert scored.to_score(2.55) is None  # shown as 3, but moved 0.15 only
    change = scored.to_score(2.62)
    assert change is not None
    assert (pytest.approx(2.4, abs=1e-4), pytest.approx(2.62, abs=1e-4)) == (change["before"], change["after"])
    assert scored.to_score(3.05) is None  # shown as 3 still, and 0.43 is not half a point


def test_the_threshold_is_a_setting():
    scored = Scored(change_threshold=3.0, weight_like=1.0)
    assert scored.to_score(1.4) is None
    assert scored.to_score(1.49) is None
    assert scored.to_score(4.01) is not None


def test_a_change_names_who_did_most_of_it_and_sums_the_rest():
    scored = Scored()
    for name, weight in zip("abcdefg", (0.1, 0.4, 0.2, 0.3, 0.15, 0.05, 0.04), strict=True):
        scored.engage(weight, actor=f"account:{name}")
    scored.engage(0.4, actor="account:b")
    change = scored.flush()["account:ben"]["change"]
    *named, others = change["causes"]
    assert [(c["actor"], c["kind"], c["count"]) for c in named] == [
        ("b", "share", 2), ("d", "share", 1), ("c", "share", 1), ("e", "share", 1), ("a", "share", 1),
    ]  # fmt: skip
    # The second time b adds nothing to reach, and there are no posts that engagements could be many for.
    each = 5 * log2(1 + 1.24) / 1.24
    assert [pytest.approx(w * each, abs=1e-4) for w in (0.4, 0.3, 0.2, 0.15, 0.1)] == [c["points"] for c in named]
    assert (others["kind"], others["count"], others["points"]) == ("others", 2, pytest.approx(0.09 * each, abs=1e-4))
    assert added_up(change) == 0
    scored.engage(1.0, actor="account:e2")
    assert [c["actor"] for c in scored.flush()["account:ben"]["change"]["causes"]] == ["e2"]


def test_what_was_taken_back_leaves_no_trend_however_events_are_cut():
    one_by_one = Scored()
    one_by_one.engage(1.0, at=AT_S - 40 * 86400)
    one_by_one.engage(0.1, actor="account:bob", kind=LIKE)
    one_by_one.engage(0.1, actor="account:bob", kind=LIKE | UNDO_BIT)
    together = Scored()
    for part in (one_by_one.records[:1], one_by_one.records[1:]):
        fold(together.table, [record for _, record in part], [offset for offset, _ in part])
    # What is left of 0.1 less 0.1 goes by when the sum was rounded: nothing, or as little as the first event faded to.
    assert one_by_one.table.rows["fast"][0] != together.table.rows["fast"][0]
    for scored in (one_by_one, together):
        record = scored.flush()["account:ben"]
        assert (record["standing"] is not None, record["trending"]) == (True, None)


def test_a_damped_engagement_is_told_with_what_damped_it_most():
    scored = Scored()
    scored.engage(1.0, actor="account:fresh", trust=0.5, budget=0.8)
    scored.engage(1.0, actor="account:fan", repeat=0.5)
    scored.engage(1.0, actor="account:plain")
    scored.engage(1.0, actor="account:late", at=AT_S - 2 * scored.table.settings.half_life_slow_s)
    causes = {c["actor"]: c for c in scored.flush()["account:ben"]["change"]["causes"]}
    said = {actor: (c.get("counted"), c.get("damped_by")) for actor, c in causes.items()}
    assert said == {
        "fresh": (0.4, "trust"), "fan": (0.5, "repeat"), "plain": (None, None), "late": (0.25, "late"),
    }  # fmt: skip


def test_causes_wait_for_the_change_they_led_to_also_over_a_restart():
    scored = Scored()
    scored.engage(0.04, actor="account:early")
    flush = take_flush(scored.table)
    recovered = Scored()
    recovered.state.load([*flush.keys, MARKER_KEY], [*flush.rows, scored.table.log().encode()])
    for s in (scored, recovered):
        s.records, s._offsets = [], count(1)
        s.engage(0.5, actor="account:late")
        change = s.flush()["account:ben"]["change"]
        assert [c["actor"] for c in change["causes"]] == ["late", "early"]


def test_a_flush_takes_what_was_touched_since_the_last_and_an_empty_one_nothing():
    scored = Scored()
    assert Flush([], [], [], {}) == take_flush(scored.table)
    scored.engage(0.5, "account:ann")
    scored.engage(0.5, "account:ben")
    assert {"account:ann", "account:ben"} == set(scored.flush())
    scored.engage(0.5, "account:ben")
    assert {"account:ben"} == set(scored.flush())
    flush = take_flush(scored.table)
    assert (flush.keys, flush.rows, flush.scores) == ([], [], [])
    assert Marker(2, {("events", 0): 2}, AT_S, scored.table.half_lives) == scored.table.log()


def test_a_flush_is_of_its_partitions_and_says_which_records_are_whose():
    table = EntityRows(Settings())
    ann, ben = Scored(), Scored()
    ann.engage(0.5, "account:ann")
    ben.engage(0.5, "account:ben")
    fold(table, [ann.records[0][1], ben.records[0][1]], [0, 0], [3, 1])
    assert (table.log(3).folded, table.log(1).folded, table.log(0).folded) == (0, 0, -1)
    (flush,) = flush_pieces(table, [1, 3])
    assert {p: flush.keys[part] for p, part in flush.parts.items()} == {1: [b"account:ben"], 3: [b"account:ann"]}
    table.dirty[:] = table.used
    (flush,) = flush_pieces(table, [3])
    assert flush.keys == [b"account:ann"]
    table.drop(3)
    assert table.names.get(table.live()) == [b"account:ben"]
    assert list(flush_pieces(table, [3])) == [Flush([], [], [], {})]


def test_a_row_recovered_ahead_of_its_marker_says_its_change_again_until_something_new_is_folded():
    scored = Scored()
    scored.engage(1.0)
    before_crash = take_flush(scored.table)  # its row was written, its score and the marker were not
    told = by_entity(before_crash)["account:ben"]

    recovered = EntityState(EntityRows(Settings()), 0)
    recovered.load(before_crash.keys, before_crash.rows)
    offset, record = scored.records[0]
    fold(recovered.table, [record], [offset])  # the marker is behind, so the record is read again
    again = by_entity(take_flush(recovered.table))["account:ben"]
    # Why is no longer known; that it moved, and by how much, is.
    reasons = [{"kind": "unknown", "points": 5.0}]
    assert {**told, "change": {**told["change"], "causes": reasons}} == again

    # Touched again, but nothing is added: the same version, so the same change. Who has it skips it.
    recovered.table.dirty[:] = recovered.table.used
    assert again == by_entity(take_flush(recovered.table))["account:ben"]

    small = Scored()
    small.state, small._people, small._offsets = recovered, count(100), count(1)
    small.engage(0.01)
    assert "change" not in small.flush()["account:ben"]


def test_rows_are_what_a_restart_needs_to_go_on():
    scored = Scored()
    for n in range(40):  # beyond the exact set
        scored.engage(0.3, actor=f"account:p{n}")
    flush = take_flush(scored.table)
    recovered = EntityState(EntityRows(Settings()), 0)
    recovered.load([*flush.keys, MARKER_KEY], [*flush.rows, scored.table.log().encode()])
    assert recovered.log.folded == 39
    recovered.table.dirty[:] = recovered.table.used
    told, again = by_entity(flush)["account:ben"], by_entity(take_flush(recovered.table))["account:ben"]
    del told["change"]["causes"], again["change"]["causes"]
    assert told == again


def test_the_causes_of_a_dropped_partition_are_not_told_of_who_gets_its_rows():
    table = EntityRows(Settings())
    ann, ben = Scored(), Scored()
    ann.engage(0.9, "account:ann", actor="account:gone")
    fold(table, [ann.records[0][1]], [0], [3])
    table.drop(3)
    ben.engage(0.9, "account:ben", actor="account:here")
    fold(table, [ben.records[0][1]], [0], [1])
    causes = by_entity(take_flush(table))["account:ben"]["change"]["causes"]
    assert [cause["actor"] for cause in causes] == ["here"]


def test_a_change_is_not_said_again_where_it_is_known_to_be_in_the_scores_topic():
    scored = Scored()
    scored.engage(1.0)
    assert "change" in scored.flush()["account:ben"]
    rows = scored.table.find(*hash_names([b"account:ben"]))
    for below, says in ((0, True), (1, False), (0, False)):  # what was once left out is no change of this row any more
        scored.table.told_below[0] = below
        scored.table.dirty[rows] = True
        assert ("change" in scored.flush()["account:ben"]) is says
    scored.table.told_below[0] = 1
    scored.engage(1.0)
    assert "change" in scored.flush()["account:ben"]


def test_a_score_that_has_no_change_any_more_goes_before_the_row_that_says_so():
    scored = Scored()
    scored.engage(1.0)
    firsts = [take_flush(scored.table).scores_first]
    for below in (0, 1):
        scored.table.told_below[0] = below
        scored.table.dirty[:] = scored.table.used
        firsts.append(take_flush(scored.table).scores_first)
    scored.engage(0.01)  # what it is of is read again if the score isn't written
    assert [*firsts, take_flush(scored.table).scores_first] == [False, False, True, False]


def test_a_row_recovered_into_the_place_of_one_that_went_unflushed_says_its_change_again():
    before_crash = Scored()
    before_crash.engage(1.0)
    flush = take_flush(before_crash.table)

    table = EntityRows(Settings())
    other = Scored()
    other.engage(0.9, "account:ann")
    fold(table, [other.records[0][1]], [0], [3])
    table.drop(3)
    recovered = EntityState(table, 0)
    recovered.load(flush.keys, flush.rows)
    table.dirty[:] = table.used
    change = by_entity(take_flush(table, table.live()))["account:ben"]["change"]
    assert (change["before"], change["after"]) == (1.0, 6.0)
