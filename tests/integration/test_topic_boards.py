"""Boards of topics on a real server: who comes onto them, who stays, who leaves, and what a rebuild makes of it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from streams.reader import AsyncReader
from streams.redis import published
from streams.redis.client import session
from streams.redis.writer import LIVE, REBUILD, Writer
from streams.settings import Settings
from streams.tables.score_records import NUMBERS, ScoreRecord

SCOPE = "topic:ai"


@pytest.fixture
async def writer(settings: Settings) -> AsyncIterator[Writer]:
    """A writer that has filled Redis once."""
    writer = Writer(settings)
    await rebuild(writer, settings, {})
    yield writer
    await writer.close()


def record(entity: str, reach: float, version: int) -> ScoreRecord:
    numbers = dict.fromkeys(NUMBERS, "1") | {"reach": f"{reach:.4f}", "ver": str(version), "standing": f"{reach:.4f}"}
    return ScoreRecord(f'"{entity}"', ",".join(numbers.values()))


async def tell(writer: Writer, version: int, scope: str = "@" + SCOPE, **reaches: float) -> str:
    """Write accounts with a reach each."""
    records = [record(f"account:{account}{scope}", reach, version) for account, reach in reaches.items()]
    return (await writer.write(0, [published.entry(each, version, 0.0) for each in records], "")).outcome


async def rebuild(writer: Writer, settings: Settings, reaches: dict[str, float], version: int = 0) -> None:
    await writer.join_rebuild()
    await tell(writer, version, **reaches)
    for partition in range(settings.partitions):
        await writer.rebuilt(partition, 1.7e9)
    assert await writer.finish("1")


async def listed(settings: Settings, scope: str = SCOPE) -> set[str]:
    async with await AsyncReader.connect(settings) as reader:
        boards = [{place.account for place in await reader.top(scope, board)} for board in ("standing", "trending")]
    assert boards[0] == boards[1]
    return boards[0]


async def test_an_account_comes_at_three_people_and_stays_until_below_two(settings: Settings, writer: Writer) -> None:
    told = [(1, 2.9, False), (2, 3.0, True), (3, 2.1, True), (4, 2.9, True), (5, 2.0, True), (6, 1.9999, False), (7, 2.9, False)]
    for version, reach, is_listed in told:
        assert await tell(writer, version, ann=reach) == LIVE
        assert ("ann" in await listed(settings)) == is_listed, (version, reach)
    async with await AsyncReader.connect(settings) as reader:
        score = await reader.score("account:ann@topic:ai")
        assert score is not None  # whoever isn't listed has a score all the same
        assert score.ver == 7
        assert await reader.rank("ann", SCOPE) is None


async def test_an_older_version_brings_nobody_back(settings: Settings, writer: Writer) -> None:
    await tell(writer, 5, ann=4.0)
    await tell(writer, 9, ann=1.0)
    await tell(writer, 5, ann=4.0)
    assert await listed(settings) == set()


async def test_other_boards_ask_for_no_evidence(settings: Settings, writer: Writer) -> None:
    await tell(writer, 1, scope="", ann=0.1)
    await writer.write(0, [published.entry(record("topic:ai", 0.1, 1), 1, 0.0)], "")
    await tell(writer, 1, scope="@campaign:c", ann=0.1)
    assert await listed(settings, "all") == await listed(settings, "campaign:c") == {"ann"}
    assert await listed(settings, "topics") == {"ai"}


async def test_nobody_goes_because_redis_was_filled_again(settings: Settings, writer: Writer) -> None:
    await tell(writer, 1, ann=3.5, bob=2.5, cem=3.5)
    await tell(writer, 2, ann=2.5, cem=1.5)
    assert await listed(settings) == {"ann"}
    with session(settings) as client:
        client.delete(f"{settings.redis_prefix}epoch")
    assert await tell(writer, 3, ann=2.4) == REBUILD
    # Whether bob had come isn't known any more: who might have, stays.
    await rebuild(writer, settings, {"ann": 2.4, "bob": 2.5, "cem": 1.5}, version=3)
    assert await listed(settings) == {"ann", "bob"}
    await tell(writer, 4, ann=2.3, bob=1.9)
    assert await listed(settings) == {"ann"}
