"""How much a deployment needs, from the measured constants: numbers of a load in, numbers of machines out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from streams.events.duplicates import BLOCK, BLOCKS

BUSY_RATIO = 0.6  # of a core, at most: the rest is for peaks, and for catching up after a failure
RETENTION_S = 7 * 86_400.0  # of input and engagements
GRACE_S = 3_600.0  # how long a changelog keeps what is overwritten, at least
CHANGES_KEPT = 100_000  # CLOUTSTREAM_CHANGES_MAXLEN, per partition
Values = Mapping[str, float]


@dataclass(frozen=True)
class Load:
    """What a deployment has to bear; `shape` says whose CPU per event is taken: `even` or `higgs`."""

    accounts: float
    events_per_s: float
    shape: str = "even"
    replication: int = 3


@dataclass(frozen=True)
class Need:
    """What that takes."""

    worker_cores: float
    workers: int
    broker_cores: float
    redis_cores: float
    redis_servers: int  # as one runs scripts on one core
    partitions: int
    worker_memory_bytes: float  # of all workers
    redis_memory_bytes: float
    kafka_bytes: float  # on disk, all replicas
    kafka_written_bytes_per_s: float  # before replication
    recovery_s: float  # of one worker's share, by another


def needed(c: Values, load: Load) -> Need:
    """Return what a load needs.

    Args:
        c: the constants' values by name (`benchmarks.sizing.constants`).
        load: accounts and events.
    """
    cores = {who: load.events_per_s * c[f"{load.shape}_{who}_us"] / 1e6 for who in ("worker", "broker", "redis")}
    workers = max(1, math.ceil(cores["worker"] / BUSY_RATIO))
    partitions = 8 * math.ceil(1.5 * workers / 8)  # half as many again: room to grow, since it can't be changed
    rows = 2 * load.accounts  # one as an actor, one as an author
    ids = min(load.events_per_s * RETENTION_S, partitions * BLOCK * BLOCKS)
    written = load.events_per_s * sum(c[f"{topic}_written_bytes"] for topic in ("entities", "actors", "scores"))
    streamed = load.events_per_s * (c["input_bytes"] + c["engagements_bytes"])
    kept = load.accounts * sum(c[f"{topic}_kept_bytes"] for topic in ("entities", "actors", "scores"))
    return Need(
        worker_cores=cores["worker"],
        workers=workers,
        broker_cores=cores["broker"],
        redis_cores=cores["redis"],
        redis_servers=max(1, math.ceil(cores["redis"] / BUSY_RATIO)),
        partitions=partitions,
        worker_memory_bytes=workers * c["base_mb"] * 1e6
        + load.accounts * (c["author_bytes"] + c["actor_bytes"])
        + ids * c["id_bytes"],
        redis_memory_bytes=load.accounts * c["redis_bytes"] + partitions * CHANGES_KEPT * c["change_bytes"],
        kafka_bytes=load.replication * (streamed * RETENTION_S + kept + ids * c["kafka_id_bytes"] + written * GRACE_S),
        kafka_written_bytes_per_s=streamed + written,
        recovery_s=rows / workers / c["recovered_rows"],
    )
