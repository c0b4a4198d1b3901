"""A log whose days are made up: the times at which the broker took its records are told, so that accounts grow old in seconds."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable
from itertools import count
from types import TracebackType
from typing import Any, NamedTuple, Self

import msgspec
import numpy as np
from kafka.admin import ConfigResource, ConfigResourceType

from benchmarks.attack_acts import Act
from streams.columns.placement import partitions_of
from streams.entities import account
from streams.kafka.bulk import BulkProducer
from streams.kafka.clients import admin, reaching_kafka
from streams.kafka.topics import end_offsets
from streams.settings import Settings
from streams.verify.log import read_log

DAY_S = 86_400.0
KNOWN_AFTER_S = 2.0  # each broker learns what was altered in its own time, a tenth of a second or so
START_S = 19_676 * DAY_S  # a midnight of 2023
_OLD_SINCE_S, _NEW_AGE_S = START_S - 700 * DAY_S, 60.0


def tell_times(settings: Settings) -> None:
    """Have the input topics take the times of the producer, kept however old. A worker that starts would refuse such topics."""
    told = {"message.timestamp.type": "CreateTime", "retention.ms": "-1"}
    resources = [ConfigResource(ConfigResourceType.TOPIC, name, told) for name in settings.topic_names]
    with contextlib.closing(admin(settings)) as client, reaching_kafka(settings):
        client.alter_configs(resources)
    time.sleep(KNOWN_AFTER_S)


class ToldLog:
    """Sends acts as events of a day and waits until they are published; a context manager that disconnects at its end.

    Args:
        settings: of an empty deployment whose workers run.
        settle: returns when everything sent is published.
    """

    def __init__(self, settings: Settings, settle: Callable[[], None]) -> None:
        self._settings, self._settle = settings, settle
        self._runner = asyncio.Runner()
        self._producer = BulkProducer(settings)
        self._numbers = count()
        self.events = 0

    def __enter__(self) -> Self:
        """Connect, and tell the times of records from here on."""
        tell_times(self._settings)
        self._runner.run(self._producer.start())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Disconnect."""
        try:
            self._runner.run(self._producer.stop())
        finally:
            self._runner.close()

    def happen(self, acts: Iterable[Act], at_s: float) -> None:
        """Send acts that happen, and reach the broker, at `at_s`, epoch s; return when what came of them is published.

        What is published at a time is of one day, or an account would be seen on fewer days than it was: those of one batch are
        one day to intake.
        """
        keys, values = [], []
        for act in acts:
            keys.append(act.actor.encode())
            values.append(self._event(act, at_s))
        placed = partitions_of(keys, self._settings.partitions)
        for partition in range(self._settings.partitions):
            mine = np.flatnonzero(placed == partition).tolist()
            sending = self._producer.send(
                self._settings.topic_names[0], partition, [keys[i] for i in mine], [values[i] for i in mine],
                timestamp_ms=int(at_s * 1000),
            )  # fmt: skip
            self._runner.run(sending)
        self.events += len(keys)
        self._settle()

    def _event(self, act: Act, at_s: float) -> bytes:
        event: dict[str, Any] = {"id": f"act-{next(self._numbers)}", "kind": act.kind, "actor": act.actor, "author": act.author}
        event["at"] = at_s
        if act.is_old is not None:
            event["actor_since"] = _OLD_SINCE_S if act.is_old else at_s - _NEW_AGE_S
        if act.undo:
            event["undo"] = True
        return msgspec.json.encode(event)


class Counted(NamedTuple):
    """R and G, each person counted instead of a sketch."""

    reach: float
    network: float


def counted_exactly(settings: Settings, now_s: dict[str, float]) -> dict[str, tuple[Counted, Counted]]:
    """Return what accounts have of everybody, and what of those called fan-... alone, from the engagements' log.

    Args:
        settings: of the deployment.
        now_s: account -> the time wanted, epoch s, at or after its last engagement. Nothing of it may be taken back.
    """
    wanted = {account(name).encode(): name for name in now_s}
    found = {}
    for partition, end in end_offsets(settings, settings.engagements_topic).items():
        log = read_log(settings, partition, end)
        is_fan = np.array([name.startswith(b"account:fan-") for name in log.names])
        for place, name in ((place, wanted[entity]) for place, entity in enumerate(log.names) if entity in wanted):
            mine = np.flatnonzero((log.target == place) & (log.kind > 0))
            weight = log.weight[mine] * np.exp2((log.at[mine] - now_s[name]) / settings.half_life_slow_s)
            people, which = np.unique(log.actor[mine], return_inverse=True)
            reach, network = np.zeros(len(people)), np.zeros(len(people))
            np.maximum.at(reach, which, weight)
            np.maximum.at(network, which, weight * log.standing[mine])
            of_all, of_fans = (
                Counted(float(reach[chosen].sum()), float(network[chosen].sum())) for chosen in (slice(None), is_fan[people])
            )
            if len(mine):  # else it stands in this log as an actor
                found[name] = (of_all, of_fans)
    return found
