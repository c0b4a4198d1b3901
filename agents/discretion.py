"""What keeps who is forgotten out of Redis: nothing new names them, and what was written before is taken out."""

from __future__ import annotations

import asyncio
import contextlib

import redis

from agents.host import Host
from agents.scorer import Scorer
from streams.redis import published
from streams.redis.writer import REBUILD, Writer
from streams.tables.score_records import ScoreRecord

LOOK_INTERVAL_S = 0.5
ERASE_INTERVAL_S = 10.0  # between two looks through everything: a network's moderators may close accounts by the minute
Records = list[tuple[bytes, int, ScoreRecord | None]]


class Discretion:
    """The publisher's."""

    def __init__(self, app: Host, scorer: Scorer) -> None:
        self._app, self._scorer = app, scorer
        # Assignments, by when they were: up to which the control topic is known, and the last with the looks at it until then.
        self._informed_of = self._assignment = float("-inf")
        self._looks = 0

    def look(self) -> None:
        """Note how far the control topic is known; to be called before each write."""
        state, assignment = self._app.control.state, self._app.owned_since_s
        if self._assignment != assignment:
            self._assignment, self._looks = assignment, state.looks
        # By the clock; should that be set back meanwhile, by the second look at the topic, which was begun after the first.
        if state.complete_until_s >= assignment or state.looks >= self._looks + 2:
            self._informed_of = assignment

    @property
    def may_write(self) -> bool:
        """Whether changes may be written.

        Not before this worker knows of everybody whom the one before it may have taken out of Redis: it would write them again,
        and tell once more of changes whose versions went with their hashes.
        """
        return self._informed_of == self._app.owned_since_s

    def named_out(self, partition: int, records: Records) -> Records:
        """Return records that name nobody forgotten; the score of somebody who is, is no more.

        What named one is written again: a worker that lost the partition may have written it behind ours, and compaction would
        keep it until the entity moves.
        """
        forgotten = self._app.control.forgotten
        if not forgotten:
            return records
        kept: Records = []
        named: list[bytes] = []
        for key, offset, record in records:
            told = record
            if record is not None and forgotten.has(key):
                self._scorer.bury(partition, key)
                told = None
            elif record is not None and (told := forgotten.named_out(record)) is not record:
                named.append(key)
            kept.append((key, offset, told))
        if named and self._app.holds(partition):
            self._app.entities.partition(partition).write_again(named)
        return kept

    async def run(self) -> None:
        """Erase what is due, for ever: beside the publishing, since it looks through all that Redis keeps."""
        writer = self._app.new_writer()
        try:
            while True:
                pause_s = LOOK_INTERVAL_S
                with contextlib.suppress(redis.RedisError, OSError):  # the publisher says so
                    if await self.erase(writer):
                        pause_s = ERASE_INTERVAL_S
                await asyncio.sleep(pause_s)
        finally:
            await writer.close()

    async def erase(self, writer: Writer) -> bool:
        """Take who is forgotten out of the change feeds, the reasons and the scores of owned partitions; return if that was due.

        It is due again when somebody wrote of a partition who didn't know of them all: this worker, before it heard of it, or one
        that had lost the partition and went on. Redis notes that with the write, so that nobody has to live to tell of it.

        Raises:
            redis.RedisError: Redis is away; call again later.
        """
        forgotten, eraser = self._app.control.forgotten, writer.eraser
        due = await eraser.due(sorted(self._app.owned), forgotten)
        if not due:
            return False
        begun = await eraser.begin(due, forgotten)
        await eraser.erase_changes(due, forgotten)
        # What the table holds of them gets its tombstones in its own time; it lacks what another worker has buried already.
        gone = [published.expired(name) for name in await eraser.scores(forgotten)]
        if (await writer.write(min(due), gone, forgotten.fingerprint)).outcome != REBUILD:  # else again when there are boards
            await eraser.end(due, forgotten, begun)
        return True
