"""The reader: all that an application imports.

    from streams.reader import Reader

    with Reader.connect() as reader:
        for place in reader.top(n=10):
            print(place.rank, place.account, place.score)

`AsyncReader` has the same methods for asyncio.
"""

from streams.reader.asynchronous import AsyncReader
from streams.reader.campaigns import Campaign, Progress, Totals
from streams.reader.changes import Cause, ScoreChange
from streams.reader.feed import AsyncFeed, Feed
from streams.reader.records import Page, Point, Rank, Score, Standing, Stats
from streams.reader.scale import outranks
from streams.reader.sync import Reader
from streams.reader.weights import Weights

__all__ = [
    "AsyncFeed",
    "AsyncReader",
    "Campaign",
    "Cause",
    "Feed",
    "Page",
    "Point",
    "Progress",
    "Rank",
    "Reader",
    "Score",
    "ScoreChange",
    "Standing",
    "Stats",
    "Totals",
    "Weights",
    "outranks",
]
