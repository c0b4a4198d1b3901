"""What a flush writes goes to the broker: rows, scores and tombstones, in the order that a crash in between allows."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from agents.host import Host
from streams.kafka.bulk import Acknowledged
from streams.tables.flush import Flush
from streams.tables.score_records import ScoreRecord
from streams.tables.states import EntityState

Publish = Callable[[int, Sequence[Acknowledged], Sequence[bytes], Sequence[ScoreRecord | None]], None]


class EntityWriter:
    """The scorer's."""

    def __init__(self, app: Host) -> None:
        self._app = app
        self.publish: Publish = lambda *_: None  # told of scores that the broker has
        self.telling: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)  # held from the send to that

    async def send(self, flush: Flush, gone: Mapping[int, list[bytes]], states: Mapping[int, EntityState]) -> None:
        """Make rows durable and scores public, and tombstones of entities that are `gone`.

        Args:
            flush: of partitions in `states`.
            gone: entities by partition.
            states: whose changelogs are written.

        Raises:
            DurabilityError: a send failed; some of it may be written.
        """
        await asyncio.gather(*(self._send_part(p, flush, gone.get(p, []), states[p]) for p in {*flush.parts, *gone}))

    async def _send_part(self, partition: int, flush: Flush, gone: list[bytes], state: EntityState) -> None:
        mine = flush.parts.get(partition, slice(0))
        nothing = [None] * len(gone)
        keys, scores = [*flush.keys[mine], *gone], [*flush.scores[mine], *nothing]
        changelog = self._app.changelog(self._app.entities, partition)
        if flush.scores_first:
            await self._send_scores(partition, keys, scores)
            await changelog.write(flush.keys[mine], flush.rows[mine], state)
        else:
            await asyncio.gather(
                changelog.write(flush.keys[mine], flush.rows[mine], state), self._send_scores(partition, keys, scores)
            )
        # Rows go last: were the process to end in between, nobody would know of a score without a row that it should go.
        await changelog.write(gone, nothing, state)

    async def _send_scores(self, partition: int, keys: list[bytes], scores: list[ScoreRecord | None]) -> None:
        values, topic = [score and score.encode() for score in scores], self._app.settings.scores_topic
        async with self.telling[partition]:
            self.publish(partition, await self._app.bulk.send(topic, partition, keys, values), keys, scores)
