"""`kafka+batch://`: a Faust transport whose messages are fetched ranges, not records.

Stock Faust builds four futures and tasks for each message: hundreds of microseconds. Here one message is all records fetched
for one partition, so that cost is paid once for thousands of events. The rest of Faust (assignment, changelog recovery, flow
control) works unchanged, because a range is as good a message as a record: its offset is that of its last record.

Commits don't follow Faust's acks, which fire when an agent asks for its next item, before a flush. What may be committed is what
`DurableOffsets` says is durable.

Rests on internals of faust-streaming 0.15 and aiokafka 0.14; tests/contract names each.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from typing import Any, cast

import aiokafka
from aiokafka.consumer import fetcher
from aiokafka.errors import IllegalStateError, KafkaError
from aiokafka.protocol.group import LeaveGroupRequest
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage, Message

from streams.fatal import fatal
from streams.kafka.durable import DurableOffsets
from streams.kafka.range import Range

_log = logging.getLogger("cloutstream")
# Under load a range costs more than its wait: fewer, larger ones come sooner through the whole pipeline.
BUSY_RECORDS = 300
LEAVE_WITHIN_S = 5.0  # of the stop's begin
BACKLOG_RECORDS = 2000  # a fetch of so many wasn't starved: the next needn't wait for more


class _LightRecords(fetcher.PartitionRecords):  # type: ignore[misc]  # aiokafka ships no types
    """Yields the parser's own records: building a `ConsumerRecord` from each would cost more than parsing it."""

    def _consumer_record(self, tp: Any, record: Any) -> Any:
        return record


# The fetcher makes these by name. Offset, timestamp, key, value and headers are all that is used of a record here.
fetcher.PartitionRecords = _LightRecords


class BatchConsumerThread(driver.AIOKafkaConsumerThread):
    """The aiokafka consumer, with a fetch wait that suits live scores."""

    def _create_worker_consumer(self, transport: driver.Transport) -> aiokafka.AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        settings = cast(Any, self.app).settings
        # Faust hard-codes 1,500 ms, and aiokafka has one fetch in flight per broker: an empty partition would hold up a full one.
        consumer._fetch_max_wait_ms = settings.fetch_wait_ms
        return consumer

    def close(self) -> None:
        """Do nothing: `on_thread_stop` closes the consumer.

        Faust calls this when a rebalance comes while the worker stops, and closes aiokafka's client and coordinator in the main
        thread, under the event loop that they belong to: that crashed uvloop, or left the thread waiting for ever.
        """

    async def seek_in_thread(self, tp: TP, offset: int) -> None:
        """Seek; aiokafka wakes its fetcher for that, which only the thread may."""
        self.seek(tp, offset)

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        """Commit what is still assigned; when a rebalance came on the way here and nothing is, that is no failure."""
        assigned = self.assignment()
        still = {tp: offset for tp, offset in offsets.items() if tp in assigned}
        return bool(still) and await super()._commit(still)

    async def on_thread_stop(self) -> None:
        """Leave the group; bounded, because aiokafka first waits for a join under way, which waits for the slowest member.

        What takes too long is left alone, not cancelled: a queued call of Faust's swallows its cancellation.
        """
        app = cast(Any, self.app)
        left_s = max(1.0, app.stop_began_s + LEAVE_WITHIN_S - time.monotonic())
        leaving = asyncio.ensure_future(super().on_thread_stop())
        await asyncio.wait({leaving}, timeout=left_s)
        if leaving.done():
            leaving.result()
            return
        try:
            await asyncio.wait_for(self._leave_while_joining(), 1.0)
        except (TimeoutError, KafkaError) as e:
            _log.warning("the group didn't let this worker go (%r): it counts as a member until its session times out", e)

    async def _gather_remaining_tasks(self) -> None:
        """Wait for nothing more: the process is about to end, and a task that swallows its cancellation would keep it."""

    async def _leave_while_joining(self) -> None:
        """Leave over the connection that fetches: on its own a broker answers nothing before it has answered the join."""
        consumer = cast(Any, self._consumer)
        coordinator = consumer._coordinator
        if coordinator.coordinator_id is not None and coordinator.member_id:
            request = LeaveGroupRequest(coordinator.group_id, coordinator.member_id)
            await consumer._client.send(coordinator.coordinator_id, request)


class BatchConsumer(driver.Consumer):
    """Yields one message per partition and fetch."""

    app: Any
    _last_fetch_s = 0.0
    _last_fetched = 0
    _delivers_at_once = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._next: dict[TP, int] = {}  # where the next fetch goes on, whether or not what was fetched is delivered
        self._rewind: dict[TP, int] = {}
        self.sought: dict[TP, int] = {}  # where recovery last began to read changelogs
        self._sought_meanwhile: set[TP] = set()  # while a fetch was under way, which may bring what was before
        self._seeking = asyncio.Lock()  # one at a time: the last that was asked for must be the last in the thread

    def rewind(self, tp: TP, offset: int) -> None:
        """Have a partition fetched from `offset` again, and nothing of it delivered before.

        Faust drops ranges: fetched while their partition was not yet active, while the flow stood still, or in a callback that a
        rebalance cut short. What is fetched after them must not be taken, since taking it would pass over them for good.
        """
        self._rewind[tp] = offset

    def known_end(self, tp: TP) -> int:
        """Return the offset below which there are records, as far as fetches have told; 0 when none has."""
        end = self.highwater(tp) if tp in self.assignment() else None
        return max(self._next.get(tp, 0), end or 0)

    def committed(self, tp: TP) -> int:
        """Return the offset last committed, as far as known here; 0 where there is none."""
        return self._committed_offset.get(tp) or 0

    async def subscribe(self, topics: Iterable[str]) -> None:
        """Subscribe, but not while the worker stops.

        Faust subscribes as soon as its tables are there or are stopped, so a worker stopped early would join with the topics of
        its agents alone; as long as the group remembers it, tables and events of others would be shared out differently.
        """
        if not self.app.should_stop:
            await super().subscribe(topics)

    def _new_consumer_thread(self) -> BatchConsumerThread:
        return BatchConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def seek_wait(self, partitions: Mapping[TP, int]) -> None:
        """Seek in changelogs, for recovery, and note where: what comes must go on from there, without a hole."""
        async with self._seeking:
            self._note_sought(partitions)
            await super().seek_wait(partitions)
            self._note_sought(partitions)  # a fetch begun since then may have been before the seek in the thread

    def _note_sought(self, partitions: Mapping[TP, int]) -> None:
        self.sought.update(partitions)
        self._next.update(partitions)
        self._sought_meanwhile.update(partitions)
        for tp in partitions:
            self._rewind.pop(tp, None)

    async def _seek(self, partition: TP, offset: int) -> None:
        thread = cast(BatchConsumerThread, self._thread)
        await thread.call_thread(thread.seek_in_thread, partition, offset)

    @property
    def durable(self) -> DurableOffsets:
        """What may be committed; the app owns it."""
        return cast(DurableOffsets, self.app.durable)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Message]]:
        """Fetch, and yield one message per partition that had records."""
        await self._linger()
        await self._seek_back()
        self._sought_meanwhile.clear()
        records, active = await self._wait_next_records(timeout)
        self._check_fetcher()
        self.app.on_fetched()
        generation_id = self.app.consumer_generation_id
        if records is None or self.should_stop:
            return
        self._last_fetched = sum(map(len, records.values()))
        if not self.flow_active:
            # A rebalance came in between: what was fetched may belong to nobody. Read again from what is committed.
            for tp, fetched in records.items():
                if fetched:
                    self._fetch_again(tp, self._start_of(tp, fetched))
            try:
                await self.perform_seek()
            except Exception as e:  # as Faust: the rebalance that follows seeks again
                self.log.warning("could not seek while the flow was stopped: %r", e)
            return
        for tp, fetched in records.items():
            if not fetched:
                continue
            start = self._start_of(tp, fetched)
            self._next[tp] = fetched[-1].offset + 1
            is_current = self.flow_active and self.app.consumer_generation_id == generation_id
            is_dropped = not is_current or (active is not None and tp not in active and tp not in self._buffered_partitions)
            if tp in self._rewind:
                continue
            if is_dropped or tp in self._sought_meanwhile:
                self._fetch_again(tp, start)
                continue
            self.app.monitor.track_tp_end_offset(tp, self.highwater(tp))
            self._delivers_at_once = self._has_room(tp)
            yield tp, self._range_message(tp, fetched, start, generation_id)

    def _start_of(self, tp: TP, fetched: list[Any]) -> int:
        """Return where a fetch went on: before its first record, where compaction took what was between."""
        first: int = fetched[0].offset
        return min(self._next.get(tp, first), first)

    def _fetch_again(self, tp: TP, offset: int) -> None:
        """Have what was fetched of a partition from `offset` on, and isn't delivered, fetched again."""
        self.rewind(tp, self.sought[tp] if tp in self._sought_meanwhile else offset)

    def _check_fetcher(self) -> None:
        """End the process when aiokafka's fetching has ended by an error: Faust would go on to get nothing for ever."""
        fetching = cast(Any, self._thread)._consumer._fetcher.error_future
        if fetching.done() and not self.should_stop and not self.app.should_stop:
            error = None if fetching.cancelled() else fetching.exception()
            fatal("fetching from Kafka ended", error or RuntimeError("it was cancelled"))

    async def perform_seek(self) -> None:
        """Go on from what is committed, and deliver nothing before: `start` then tells of all that was committed by others.

        Carried out once more between two fetches: one that is under way now may yet bring what is behind.
        """
        await super().perform_seek()
        for tp in self.assignment():
            if self.app.topics.acks_enabled_for(tp.topic):  # recovery seeks in changelogs itself
                self.rewind(tp, self.committed(tp))

    async def _seek_back(self) -> None:
        """Carry out rewinds: only between two fetches, so that nothing fetched before can be mistaken for what they lead to."""
        for tp in list(self._rewind):
            async with self._seeking:
                offset = self._rewind.pop(tp, None)
                if offset is not None and tp in self.assignment():
                    with contextlib.suppress(IllegalStateError):  # it was revoked on the way to the thread
                        await self.seek(tp, offset)
                        self._next[tp] = offset

    def _range_message(self, tp: TP, fetched: list[Any], start: int, generation_id: int) -> Message:
        last = fetched[-1]
        content: Any = Range(
            tp.topic, tp.partition, [r.offset for r in fetched], [r.timestamp for r in fetched], [r.key for r in fetched],
            [r.value for r in fetched], start,
        )  # fmt: skip
        return ConsumerMessage(
            tp.topic, tp.partition, last.offset, last.timestamp / 1000.0, last.timestamp_type, [], None, content,
            None, 0, 0, tp,
            generation_id=generation_id,
        )  # fmt: skip

    def _has_room(self, tp: TP) -> bool:
        """Return whether a range of this partition can be put into the queues of all its channels without waiting."""
        channels = self.app.topics._tp_index.get(tp, ())
        return self.flow_active and self.app.flow_control.is_active() and not any(channel.queue.full() for channel in channels)

    async def wait_first(self, *coros: Any, timeout: Any = None) -> Any:
        """Wait for the first of several, as Faust does; but deliver a range that nothing holds up without ado.

        Faust's loop waits for each delivery or the end of the flow: four tasks and several passes of the event loop a range, each
        of which may hold a heavy step of an agent. A delivery with room never suspends, so the flow can't end in it.
        """
        if self._delivers_at_once:
            self._delivers_at_once = False
            delivery, flow_ends = coros
            flow_ends.close()
            return await delivery
        return await super().wait_first(*coros, timeout=timeout)

    async def sleep(self, n: Any) -> None:
        """Sleep; for no time, which Faust asks for at each fetch, in one pass of the loop instead of a task and a timer."""
        if n:
            await super().sleep(n)
        else:
            await asyncio.sleep(0)

    async def _linger(self) -> None:
        """Leave the broker a moment to collect records: a fetch per record would cost more than its records."""
        wait_s = self.app.settings.fetch_wait_ms / 1000 * (2 if self._last_fetched > BUSY_RECORDS else 1)
        pause_s = wait_s - (time.monotonic() - self._last_fetch_s)
        if pause_s > 0 and self._last_fetched < BACKLOG_RECORDS:
            await asyncio.sleep(pause_s)
        self._last_fetch_s = time.monotonic()

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Offsets between two ranges' last records are inside the later range: no gap."""

    def ack(self, message: Message) -> bool:
        """Note that the stream is done with a range. It is not committed for that: see `durable`."""
        if message.acked:
            return False
        message.acked = True
        self._unacked_messages.discard(message)
        return True

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Look for nothing: Faust goes by what becomes of single messages, and after minutes would log that nothing flows.

        `agents/guard.py` sees partitions that stand still, `agents/watchdog.py` the worker.
        """

    async def _commit_offsets(self, offsets: Mapping[TP, int], start_new_transaction: bool = True) -> bool:
        """Commit; offsets whose commit failed don't count as committed, as they do with Faust: it would be tried no more."""
        before = {tp: self._committed_offset.get(tp) for tp in offsets}
        did_commit = await super()._commit_offsets(offsets, start_new_transaction)
        if not did_commit:
            # Only what Faust noted just now: a partition may have been revoked meanwhile, and is forgotten.
            noted = [tp for tp, offset in offsets.items() if self._committed_offset.get(tp) == offset]
            self._committed_offset.update({tp: before[tp] for tp in noted})
        return did_commit

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        committed = bool(await super()._commit(offsets))
        if committed:
            self.app.on_committed()
        return committed

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        # While nothing is owned a commit could only go out during a join, whose answer is that the group must join again.
        mine = [tp for tp in self.durable if tp.partition in self.app.owned or self.app.handing_over]
        return iter([tp for tp in mine if topics is None or tp in topics or tp.topic in topics])

    def _filter_committable_offsets(self, tps: Iterable[TP]) -> dict[TP, int]:
        return {tp: self.durable[tp] for tp in tps if self._should_commit(tp, self.durable[tp])}


class Transport(driver.Transport):
    """The aiokafka transport with batched consuming; producing, TLS and SASL as in the driver."""

    Consumer = BatchConsumer
