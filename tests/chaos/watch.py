"""How far the group is, looked at from outside: committed offsets against the ends of input and engagements, often a second."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque

from kafka import TopicPartition
from kafka.errors import KafkaError

from streams.errors import CloutstreamError
from streams.kafka.clients import admin, consumer
from streams.settings import Settings

INTERVAL_S = 0.1
REMEMBERED_S = 120.0


class Watch(threading.Thread):
    """Samples until `close`; while Kafka doesn't answer there are no samples, and time goes on."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(daemon=True)
        self._settings = settings
        topics = [*settings.topic_names, settings.engagements_topic]
        self._tps = [TopicPartition(t, p) for t in topics for p in range(settings.partitions)]
        self._ended = threading.Event()
        self._ends: deque[tuple[float, dict[TopicPartition, int]]] = deque()
        self._idle_since_s: dict[TopicPartition, float] = {}  # of partitions with work: when something was last committed
        self._committed: dict[TopicPartition, int] = {}
        self._longest_pause_s = self._longest_lag_s = 0.0
        self._worst_pause_s = 0.0
        self._samples = 0  # since the last reset
        self._failure: BaseException | None = None
        self.start()

    @property
    def longest_pause_s(self) -> float:
        """Of any partition, since the last reset."""
        return self._looked(self._longest_pause_s)

    @property
    def longest_lag_s(self) -> float:
        """Of any partition, since the last reset."""
        return self._looked(self._longest_lag_s)

    @property
    def worst_pause_s(self) -> float:
        """Of all that was measured one after the other."""
        return self._looked(self._worst_pause_s)

    def _looked(self, seconds: float) -> float:
        """Return what was found, if there was a look: one that died, or never saw anything, found nothing wrong."""
        if self._failure is not None:
            raise self._failure
        assert self._samples, "nothing was seen since the watch began"
        return seconds

    def begin(self) -> None:
        """Measure from now on, and forget what was before."""
        self.reset()
        self._worst_pause_s = 0.0

    def reset(self) -> None:
        """Measure the next, from now on."""
        self._idle_since_s = {}
        self._longest_pause_s = self._longest_lag_s = 0.0
        self._samples = 0

    def run(self) -> None:
        """Look, for as long as it isn't closed."""
        while not self._ended.is_set():
            try:
                with contextlib.suppress(KafkaError, CloutstreamError, OSError):  # Kafka is away: looked again with new clients
                    self._look_on()
            except BaseException as e:
                self._failure = e
                return
            self._ended.wait(INTERVAL_S)

    def _look_on(self) -> None:
        asking = {"request_timeout_ms": 2_000}
        with contextlib.closing(admin(self._settings, **asking)) as group, contextlib.closing(consumer(self._settings)) as input:
            while not self._ended.wait(INTERVAL_S):
                # Committed first: what is behind it is then rather too much than too little.
                offsets = group.list_group_offsets(self._settings.app_id).get(self._settings.app_id, {})
                committed = {tp: at.offset for tp, at in offsets.items() if tp in self._tps and at.offset >= 0}
                self._note(committed, input.end_offsets(self._tps), time.monotonic())

    def _note(self, committed: dict[TopicPartition, int], ends: dict[TopicPartition, int], now_s: float) -> None:
        self._ends.append((now_s, ends))
        while self._ends[0][0] < now_s - REMEMBERED_S:
            self._ends.popleft()
        idle_since_s: dict[TopicPartition, float] = {}
        for tp in self._tps:
            # Since the sample before, which may be long ago when Kafka was away.
            if (since_s := self._idle_since_s.get(tp)) is not None:
                self._longest_pause_s = max(self._longest_pause_s, now_s - since_s)
            if ends[tp] > committed.get(tp, 0):
                has_moved = since_s is None or committed.get(tp) != self._committed.get(tp)
                idle_since_s[tp] = now_s if has_moved else since_s
        self._committed, self._idle_since_s = committed, idle_since_s
        self._worst_pause_s = max(self._worst_pause_s, self._longest_pause_s)
        self._longest_lag_s = max(self._longest_lag_s, *(self._lag_s(tp, committed.get(tp, 0), now_s) for tp in self._tps))
        self._samples += 1

    def _lag_s(self, tp: TopicPartition, committed: int, now_s: float) -> float:
        """Return for how long a partition has had records behind `committed`."""
        since_s = now_s
        for at_s, ends in reversed(self._ends):
            if ends[tp] <= committed:
                break
            since_s = at_s
        return now_s - since_s

    def close(self) -> None:
        """Stop looking."""
        self._ended.set()
        self.join(30)
