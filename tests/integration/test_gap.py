"""What somebody else wrote into a changelog is read whole, or it is said that it wasn't."""

from __future__ import annotations

import pytest
from faust.types import TP
from load import Record, send

from streams.errors import DurabilityError
from streams.kafka import gap
from streams.kafka.topics import create_topics, end_offsets
from streams.settings import Settings


async def read(settings: Settings, tp: TP, first: int, end: int) -> list[bytes]:
    return [key async for keys, _ in gap.read_gap(settings, tp, first, end) for key in keys]


@pytest.fixture
def tp(settings: Settings) -> TP:
    """A partition with ten records."""
    create_topics(settings)
    send(settings, [Record(b"one key", b"%d" % n) for n in range(10)])
    topic = settings.topic_names[0]
    (partition,) = [p for p, end in end_offsets(settings, topic).items() if end == 10]
    return TP(topic, partition)


async def test_a_gap_is_read_whole_and_nothing_beside_it(settings: Settings, tp: TP) -> None:
    assert await read(settings, tp, 2, 7) == [b"one key"] * 5


async def test_silence_is_not_taken_for_compaction(settings: Settings, tp: TP, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gap, "SILENCE_LIMIT_S", 0.5)
    with pytest.raises(DurabilityError, match=r"nothing came for 0\.5 s; expected what somebody else wrote before 12"):
        await read(settings, tp, 2, 12)
