"""What a scorer folds into rows that another worker wrote, and what it tells of them before."""

from __future__ import annotations

from typing import Any, cast

import orjson
import pytest
from faust.types import TP
from test_flush import Scored

from agents.app import CloutstreamApp, create_app
from agents.entity_writer import EntityWriter
from agents.scorer import Scorer
from streams.kafka.register import register_transport
from streams.settings import Settings
from streams.tables.flush import Flush, take_flush
from streams.tables.marker import MARKER_KEY
from streams.tables.states import EntityState


class Consumer:
    """What is committed."""

    offset = 0

    def committed(self, _: TP) -> int:
        return self.offset


class Sent(EntityWriter):
    """Keeps what would be sent: version and change of each score."""

    def __init__(self, app: CloutstreamApp) -> None:
        super().__init__(app)
        self.scores: list[tuple[int, tuple[float, float] | None]] = []

    async def send(self, flush: Flush, gone: Any, states: Any) -> None:
        for score in map(orjson.loads, (score.encode() for score in flush.scores)):
            change = score.get("change")
            self.scores.append((score["ver"], change and (change["before"], change["after"])))


@pytest.fixture
def app() -> CloutstreamApp:
    """A worker's app with nothing recovered, connected to nothing."""
    register_transport()
    app = create_app(Settings(partitions=1))
    app._consumer = cast(Any, Consumer())
    app.actors.partition(0)
    return app


@pytest.fixture
def sent(app: CloutstreamApp) -> Sent:
    return Sent(app)


@pytest.fixture
def scorer(app: CloutstreamApp, sent: Sent, monkeypatch: pytest.MonkeyPatch) -> Scorer:
    async def marked(*_: object) -> None: ...

    scorer = Scorer(app)
    scorer.writer = sent
    monkeypatch.setattr(scorer, "_mark", marked)
    return scorer


def written(by: Scored) -> tuple[list[bytes], list[bytes]]:
    """Return the rows of a flush of which nothing else became durable."""
    flush = take_flush(by.table)
    return flush.keys, flush.rows


async def test_a_change_whose_score_was_lost_is_told_before_more_is_folded_into_its_row(scorer: Scorer, sent: Sent) -> None:
    died, state = Scored(), scorer.app.entities.partition(0)
    died.engage(1.0)
    state.load(*written(died))
    died.engage(1.0)
    for offset, record in died.records:
        state.put(offset, record)
    await scorer.flush({0}, 0.0)
    (first, (before, between)), (second, (from_there, after)) = cast(Any, sent.scores)
    assert (first, second, before, from_there) == (0, 1, 1.0, between)
    assert after > between > before


async def test_a_change_that_is_told_is_not_told_again(scorer: Scorer, sent: Sent) -> None:
    died, state = Scored(), scorer.app.entities.partition(0)
    died.engage(1.0)
    state.load(*written(died))
    cast(Any, scorer.app.consumer).offset = 1
    await scorer.flush({0}, 0.0)
    assert sent.scores == []


async def test_rows_that_somebody_wrote_between_ours_tell_their_changes_too(scorer: Scorer, sent: Sent) -> None:
    zombie, state = Scored(), scorer.app.entities.partition(0)
    zombie.engage(1.0)
    state.put(*zombie.records[0])
    await scorer.flush({0}, 0.0)
    zombie.engage(1.0)
    keys, rows = written(zombie)
    state.load_foreign(keys, rows)
    zombie.engage(1.0)
    for offset, record in zombie.records[1:]:
        state.put(offset, record)
    await scorer.flush({0}, 0.0)
    assert [version for version, change in sent.scores if change] == [0, 1, 2]


def test_a_row_that_takes_the_place_of_one_folded_into_is_as_it_was_written() -> None:
    ours, zombie = Scored(), Scored()
    for scored in (ours, zombie):
        scored.engage(1.0)
    zombie.engage(1.0)
    state: EntityState = ours.state
    state.load(*written(zombie))
    (score,) = take_flush(ours.table).scores
    assert score.version == 1
    assert score.change is not None


async def test_what_waits_is_folded_even_if_nothing_was_loaded_but_how_far_it_is(scorer: Scorer, sent: Sent) -> None:
    others, state = Scored(), scorer.app.entities.partition(0)
    others.engage(1.0)
    state.load([MARKER_KEY], [others.table.log().encode()])
    others.engage(1.0)
    state.put(*others.records[1])
    await scorer.flush({0}, 0.0)
    assert [version for version, _ in sent.scores] == [1]
