"""What keeps who is forgotten out of Redis: nothing new names them, and what was written before is taken out."""

from __future__ import annotations

from agents.host import Host
from agents.scorer import Scorer
from streams.redis import published
from streams.redis.writer import REBUILD, Writer
from streams.tables.score_records import ScoreRecord

_UNKNOWN = "unknown"  # no fingerprint
Records = list[tuple[bytes, int, ScoreRecord | None]]


class Discretion:
    """The publisher's. A fingerprint stands for all who are known to be forgotten."""

    def __init__(self, app: Host, scorer: Scorer) -> None:
        self._app, self._scorer = app, scorer
        # By partition: who is out of what Redis has of it; who was known at the first write since, until no more is to be learnt
        # of that; and of those that were let go when that was, with the looks at the control topic until then.
        self._erased: dict[int, str] = {}
        self._written_as: dict[int, str] = {}
        self._left: dict[int, tuple[float, int]] = {}
        # Assignments, by when they were: up to which the control topic is known, and the last with the looks at it until then.
        self._informed_of = self._assignment = float("-inf")
        self._looks = 0

    def look(self) -> None:
        """Note how far the control topic is known; to be called before each write."""
        state, assignment = self._app.control.state, self._app.owned_since_s
        if self._assignment != assignment:
            self._assignment, self._looks = assignment, state.looks
        if self._is_known_until(assignment, self._looks):
            self._informed_of = assignment
        for p in [p for p, left in self._left.items() if p in self._app.owned or self._is_known_until(*left)]:
            del self._left[p]
            if p not in self._app.owned and self._written_as.get(p) == self._app.control.forgotten.fingerprint:
                del self._written_as[p]

    def _is_known_until(self, at_s: float, looks: int) -> bool:
        """Return whether the control topic is known up to a time, at which it had been looked at so often."""
        # By the clock; should that be set back meanwhile, by the second look at the topic, which was begun after the first.
        state = self._app.control.state
        return state.complete_until_s >= at_s or state.looks >= looks + 2

    def let_go(self, partition: int) -> None:
        """Know that a partition is somebody else's now."""
        self._erased.pop(partition, None)
        self._left[partition] = self._app.clock.time(), self._app.control.state.looks

    def distrust(self, partition: int) -> None:
        """Know that somebody else wrote of a partition, who may not have known who is forgotten."""
        self._erased.pop(partition, None)
        self._written_as[partition] = _UNKNOWN

    def may_write(self, partition: int) -> bool:
        """Return whether changes of a partition may be written, and note with which knowledge they are.

        Not before this worker knows of everybody whom the one before it may have taken out of Redis: it would write them again,
        and tell once more of changes whose versions went with their hashes.
        """
        is_informed = self._informed_of == self._app.owned_since_s
        if is_informed:
            self._written_as.setdefault(partition, self._app.control.forgotten.fingerprint)
        return is_informed

    def named_out(self, partition: int, records: Records) -> Records:
        """Return records that name nobody forgotten; the score of somebody who is, is no more."""
        forgotten = self._app.control.forgotten
        if not forgotten:
            return records
        kept: Records = []
        for key, offset, record in records:
            if record is not None and forgotten.has(key):
                self._scorer.bury(partition, key)
                record = None
            kept.append((key, offset, record and forgotten.named_out(record)))
        return kept

    def have_written_again(self, partition: int, key: bytes, record: ScoreRecord | None) -> None:
        """Have an entity's score written again if a record of it, as read from its topic, names somebody forgotten.

        A worker that lost the partition may have written it behind ours; compaction would keep it until the entity moves.
        """
        forgotten = self._app.control.forgotten
        if forgotten and record is not None and forgotten.named_out(record) is not record and self._app.holds(partition):
            self._app.entities.partition(partition).write_again([key])

    async def erase(self, writer: Writer) -> None:
        """Take who is forgotten out of the change feeds and the reasons, and their scores, where they were written unknowingly.

        Also of partitions that are another worker's by now: this one may have written after that had looked through them. And
        again for each who is found to be forgotten, until all is known that was said before it let them go.

        Raises:
            redis.RedisError: Redis is away; call again later.
        """
        forgotten = self._app.control.forgotten
        fingerprint = forgotten.fingerprint
        due = {
            p: self._written_as.get(p, fingerprint) != fingerprint
            for p in sorted(self._app.owned | self._written_as.keys())
            if forgotten and self._erased.get(p) != fingerprint
        }
        if not due:
            return
        await writer.eraser.erase_changes(due, forgotten)
        # What the table holds of them gets its tombstones in its own time; it lacks what another worker has buried already.
        if any(due.values()):
            gone = [published.expired(name) for name in await writer.eraser.scores(forgotten)]
            if await writer.write(min(due), gone) == REBUILD:
                return  # and again when there are boards
        for p in due:
            self._erased[p] = fingerprint
            if p not in self._app.owned and p not in self._left:
                self._written_as.pop(p, None)
            elif p in self._written_as:
                self._written_as[p] = fingerprint
