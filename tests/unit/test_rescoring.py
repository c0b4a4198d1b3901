"""Circuit breaker and shadow scoring: the same formula moves nothing, another one is seen before anything is published."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from test_flush import Scored

from streams.errors import ConfigurationError, UsageError
from streams.events.engagements import LIKE, TWEET
from streams.settings import Settings
from streams.shadow import compare, with_settings
from streams.tables.entity_rows import EntityRows
from streams.tables.flush import take_flush
from streams.tables.rescoring import publish_anew, rescored
from streams.tables.states import EntityState
from streams.verify.table import Table


def busy(accounts: int = 40) -> Scored:
    """Return entities that were engaged with in many flushes; every second one posts."""
    scored, chance = Scored(), np.random.default_rng(5)
    for _ in range(6):
        for account in range(accounts):
            target = f"account:a{account}"
            if account % 2:
                scored.engage(1.0, target, actor=target, kind=TWEET)
            for _ in range(int(chance.integers(0, 9))):
                scored.engage(float(chance.random()), target, kind=LIKE)
        scored.flush()
    return scored


def recovered(scored: Scored, **changes: float) -> EntityRows:
    """Return what a worker with other settings recovers from the rows."""
    scored.table.dirty[scored.table.live()] = True
    flush = take_flush(scored.table)
    table = EntityRows(replace(scored.table.settings, **changes))  # type: ignore[arg-type]  # floats
    EntityState(table, 0).load(flush.keys, flush.rows)
    return table


def test_the_same_formula_moves_nothing() -> None:
    found = rescored(recovered(busy()), 0)
    assert (found.entities, found.moved, found.far) == (40, 0, 0)
    assert not found.is_breaking


def test_another_formula_is_seen_and_told_anew_once() -> None:
    table = recovered(busy(), usual_engagement_per_post=10.0)
    found = rescored(table, 0)
    assert 0 < found.moved <= 20  # only those who post have an amplification
    assert not found.is_breaking
    table.dirty[:] = False
    publish_anew(table, [found])
    told = take_flush(table, table.touched([0]))
    assert len(told.scores) == found.moved
    assert all(score.change is None for score in told.scores)  # nobody engaged: no event
    assert rescored(table, 0).moved == 0


def test_a_formula_that_moves_many_by_far_breaks_the_circuit_and_says_what_to_do() -> None:
    found = rescored(recovered(busy(), network_weight=1000.0), 0)
    assert not found.is_breaking  # these people have no standing of their own
    table = recovered(busy())
    table.rows["reach"] *= 1000
    found = rescored(table, 0)
    assert found.is_breaking
    assert found.far == 40
    warning = found.warning()
    assert "40 of 40 scores move, 40 by more than 10 points" in warning
    assert f"{found.examples[0][0]} from {found.examples[0][1]:.1f}" in warning
    assert "CLOUTSTREAM_RESCORE=accept" in warning


def test_few_that_move_by_far_are_the_world_s_own_matter() -> None:
    table = recovered(busy())
    table.rows["reach"][table.live()[:2]] *= 1000  # 2 of 40: a twentieth
    assert not rescored(table, 0).is_breaking
    table.rows["reach"][table.live()[:3]] *= 1000
    assert rescored(table, 0).is_breaking


def as_read(scored: Scored) -> Table:
    """Return the table as reading it from Kafka gives it."""
    rows = scored.table.live()
    return Table(scored.table.names.get(rows), scored.table.rows[rows], scored.table.sketch_of[rows] > 0)


def test_a_shadow_of_the_formula_in_force_moves_nothing() -> None:
    found = compare([as_read(busy())], None, Settings())
    assert set(found.moved.values()) == {0}
    assert (found.first, found.kept) == (40, 40)
    assert found.most_moved(10) == []


def test_a_shadow_says_who_moves_most_and_does_what_a_worker_would_do() -> None:
    scored, other = busy(), with_settings(Settings(), ["usual_engagement_per_post=20"])
    found = compare([as_read(scored)], Settings(), other)
    table = recovered(scored, usual_engagement_per_post=20.0)
    now = rescored(table, 0)
    shadowed = dict(zip(found.names, found.after.tolist(), strict=True))
    assert {name: shadowed[name] for name in table.names.get(now.rows)} == pytest.approx(
        dict(zip(table.names.get(now.rows), now.scores.tolist(), strict=True)), abs=1e-9
    )
    movers = found.most_moved(3)
    assert len(movers) == 3
    moves = [abs(m["after"] - m["before"]) for m in movers]
    assert moves == sorted(moves, reverse=True)
    assert all(m["after"] < m["before"] for m in movers)
    assert found.as_dict(3)["entities"] == 40


def test_settings_that_scores_alone_don_t_know_are_refused() -> None:
    with pytest.raises(UsageError, match="network_weight"):
        with_settings(Settings(), ["weight_like=0.5"])
    with pytest.raises(UsageError, match="NAME=VALUE"):
        with_settings(Settings(), ["network_weight"])
    with pytest.raises(ConfigurationError, match="a number from 0 up"):
        with_settings(Settings(), ["network_weight=-1"])
