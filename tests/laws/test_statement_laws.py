"""Statements add up, whatever happened and however it was cut into batches, flushes and lives of workers; and they are so."""

from __future__ import annotations

from dataclasses import replace
from math import log2
from unittest.mock import patch

import numpy as np
import orjson
from engagement_logs import SETTINGS, START_S, Engagement, logs, record_of, split
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from streams.events.engagements import KINDS, TWEET
from streams.model.attribution import Added, attribute
from streams.model.scoring import amplification_of, score_of
from streams.tables.entity_rows import ROW, EntityRows
from streams.tables.flush import flush_pieces, take_flush
from streams.tables.fold import fold
from streams.tables.ledger import TOLD
from streams.tables.states import EntityState

CUTS = st.lists(st.integers(0, 250), max_size=12)
H = SETTINGS.half_life_slow_s
few = hypothesis_settings(max_examples=60, deadline=None)


def told(parts, flush_after, restart_after=(), settings=SETTINGS):
    """Fold parts, flushing and restarting after some of them; return the change events of each entity, oldest first."""
    state = EntityState(EntityRows(settings), 0)
    rows: dict[bytes, bytes] = {}
    changes: dict[str, list[dict]] = {}
    for offset, part in enumerate(parts):
        fold(state.table, [record_of(part)], [offset])
        if offset in flush_after or offset == len(parts) - 1:
            flush = take_flush(state.table)
            rows.update(zip(flush.keys, flush.rows, strict=True))
            for record in flush.scores:
                if record.change is not None:
                    score = orjson.loads(record.encode())
                    changes.setdefault(score["entity"], []).append(score["change"])
            if offset in restart_after:
                folded = state.log.folded
                state = EntityState(EntityRows(settings), 0)
                state.load(list(rows), list(rows.values()))
                state.log.folded = folded
    return changes


def in_order(owners, hashes):
    """Do as `order_by_owner`, but keep the order of equal pairs: sums added up in another differ in their last digit."""
    return np.lexsort((hashes, owners))


@few
@given(logs(), CUTS, st.sets(st.integers(0, 12)), st.integers(1, 5))
def test_a_flush_in_pieces_writes_what_a_whole_one_does(log, cuts, flush_after, piece_rows):
    whole, cut = EntityRows(SETTINGS), EntityRows(SETTINGS)
    parts = split(log, cuts)
    for offset, part in enumerate(parts):
        for table in (whole, cut):
            fold(table, [record_of(part)], [offset])
        if offset in flush_after or offset == len(parts) - 1:
            found = {}
            with patch("streams.tables.flush.PIECE_ROWS", piece_rows), patch("streams.tables.ledger.order_by_owner", in_order):
                flush = take_flush(whole)
                for piece in flush_pieces(cut, [0]):
                    found |= {key: held for key, *held in zip(piece.keys, piece.rows, piece.scores, strict=True)}
            assert found == {key: held for key, *held in zip(flush.keys, flush.rows, flush.scores, strict=True)}
            assert not cut.unsaid


@few
@given(logs(), CUTS, st.sets(st.integers(0, 12)), st.sets(st.integers(0, 12)))
def test_reasons_add_up_to_the_change_and_changes_to_the_score(log, cuts, flush_after, restart_after):
    for changes in told(split(log, cuts), flush_after, restart_after).values():
        before = 1.0
        for change in changes:
            assert change["before"] == before
            assert all(abs(r["points"]) >= 1e-4 for r in change["causes"])
            before = change["after"]
            assert abs(sum(r["points"] for r in change["causes"]) - (change["after"] - change["before"])) < 1e-9
            assert all(r["kind"] not in ("formula", "unknown") for r in change["causes"])
            assert all(r["points"] > 0 for r in change["causes"] if r["kind"] in KINDS or r["kind"] == "others")
            assert all(r["points"] < 0 for r in change["causes"] if r["kind"] in ("decay", "undone"))


@few
@given(logs(), CUTS, CUTS)
def test_how_a_log_is_cut_into_batches_moves_no_points(log, cuts, others):
    one, other = told(split(log, cuts), ()), told(split(log, others), ())
    assert one.keys() == other.keys()
    for entity, (change,) in one.items():
        (again,) = other[entity]
        assert (change["before"], change["after"]) == (again["before"], again["after"])
        a, b = (_by_reason(each) for each in (change, again))
        for reason in a.keys() | b.keys():
            assert abs(a.get(reason, 0.0) - b.get(reason, 0.0)) < 2.5e-4, reason


def _by_reason(change):
    """Points of each reason; of engagements all together, where the sixth of equals may be another."""
    found: dict[str, float] = {}
    for reason in change["causes"]:
        kind = "engagements" if reason["kind"] in KINDS else reason["kind"].replace("others", "engagements")
        found[kind] = found.get(kind, 0.0) + reason["points"]
    return found


@few
@given(logs(undo=False, most=40), st.integers(1, 30), st.integers(0, 30))
def test_points_are_what_a_recount_one_by_one_gives(log, people, first):
    """Up to 32 people there is nothing to estimate: each reason by its definition, in plain Python."""
    log = [replace(x, target=b"account:a", actor=x.actor % people) for x in {x.e: x for x in log}.values()]
    first = min(first, len(log))
    parts = [part for part in (log[:first], log[first:]) if part]
    changes = told(parts, {0}).get("account:a", [])
    if len(changes) != len(parts):
        return  # of too small a change nothing was told
    before = _Recount(log[:first] if len(parts) > 1 else [])
    after = _Recount(log)
    expected = before.statement_to(after, log[first if len(parts) > 1 else 0 :])
    shown = {r.get("actor", "") + r["kind"]: r["points"] for r in changes[-1]["causes"]}
    for name, points in shown.items():
        if name != "others":
            assert abs(points - expected[name]) < 2.5e-4, (name, expected)
    if "others" not in shown:
        for name, points in expected.items():
            assert abs(points - shown.get(name, 0.0)) < 2.5e-4, (name, shown)


class _Recount:
    """Counters of a log, one engagement after the other."""

    def __init__(self, log: list[Engagement]) -> None:
        self.at = max((x.at for x in log), default=START_S)
        self.people: dict[int, tuple[float, float]] = {}  # strongest contact for R and G, as of START_S
        self.engaged = self.posts = 0.0
        self.posted_at = int(max((x.at for x in log if x.kind == TWEET), default=0))
        self.gained: list[tuple[Engagement, float, float, float]] = []
        for x in log:
            weight = float(np.prod([np.float64(np.float32(f)) for f in x.factors])) * 2 ** ((x.at - START_S) / H)
            if x.kind == TWEET:
                self.posts += weight
                continue
            self.engaged += weight
            held = self.people.get(x.actor, (0.0, 0.0))
            strong = (max(held[0], weight), max(held[1], weight * float(np.float32(x.standing))))
            if weight:
                self.people[x.actor] = strong
                self.gained.append((x, weight, strong[0] - held[0], strong[1] - held[1]))

    def faded(self, at: float) -> tuple[float, float]:
        left = 2 ** (-(at - START_S) / H)
        return tuple(left * sum(p[i] for p in self.people.values()) for i in (0, 1))

    def amplification(self, engaged: float) -> float:
        if not self.posts:
            return 0.0
        then = self.posts * 2 ** (-(min(self.posted_at, self.at) - START_S) / H)
        m, k = SETTINGS.usual_engagement_per_post, SETTINGS.amplification_k
        lift = 2.5 * log2(engaged / self.posts / m) if engaged > 0 else -10.0
        return then / (then + k) * max(-10.0, min(10.0, lift))

    def statement_to(self, after: _Recount, log: list[Engagement]) -> dict[str, float]:
        fresh = after.gained[len(after.gained) - len([x for x in log if x.kind != TWEET and np.prod(x.factors)]) :]
        (r0, g0), still = self.faded(self.at), self.amplification(self.engaged)
        faded, now = self.faded(after.at), after.faded(after.at)
        posted = after.amplification(self.engaged)
        states = [
            (r0, g0, still), (*faded, still), (*faded, posted), (now[0], faded[1], posted), (*now, posted),
            (*now, after.amplification(after.engaged)),
        ]  # fmt: skip
        scores = [min(100.0, 1 + 5 * log2(1 + (r + SETTINGS.network_weight * g) * 2 ** (a / 5))) for r, g, a in states]
        decay, posts, *ways = np.diff(scores).tolist()
        found = {"decay": decay, "posts": posts}
        for x, *gains in fresh:
            name = f"person{x.actor}{KINDS[x.kind]}"
            of = zip(ways, (gains[1], gains[2], gains[0]), (1, 2, 0), strict=True)
            points = sum(way * gain / sum(g[1 + i] for g in fresh) for way, gain, i in of if gain > 0)
            found[name] = found.get(name, 0.0) + points
        return found


COUNTS = st.floats(0, 1e7)


@given(st.data(), st.integers(1, 8))
def test_an_attribution_adds_up_to_a_billionth(data, n):
    def column(low: float = 0.0, high: float = 1e7):
        return np.array(data.draw(st.lists(st.floats(low, high), min_size=n, max_size=n)))

    was, now = np.zeros(n, dtype=TOLD), np.zeros(n, dtype=ROW)
    was["at"] = START_S + column(0, 1e6)
    now["at"] = was["at"] + column(0, 9e6)
    for rows in (was, now):
        rows["posted_at"] = rows["at"].astype(np.uint32)
        for name in ("engaged", "made", "reach", "network"):
            rows[name] = column()
    sketched = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    added = Added(*(np.minimum(column(), now[name]) for name in ("engaged", "reach", "network")))
    undone = Added(-column(0, 10), -column(0, 10), -column(0, 10))
    before = column(1, 100)
    found = attribute(before, was, now, sketched, added, undone, SETTINGS)
    total = sum(getattr(found, name) for name in found.__slots__)
    after = score_of(now["reach"], now["network"], amplification_of(now, SETTINGS), SETTINGS)
    assert np.abs(total - (after - before)).max() < 1e-9
    for name in ("by_reach", "by_network", "by_engaged"):
        assert (getattr(found, name) >= -1e-9).all()
    assert (found.decay <= 1e-5).all() or not sketched.all()
    assert (found.sampling[~sketched] == 0).all()
