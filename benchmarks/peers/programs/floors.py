"""`python -m benchmarks.peers.programs.floors NAME`: what Kafka, JSON and Redis take by themselves in Python.

- `fetch`: the topic is read through aiokafka, in batches as large as come.
- `decode`: and its records are decoded as the pipeline does it, a batch at a time.
- `redis`: as many authors' hashes and places on the board are written as the topic has, through pipelines of redis-py.

Prints one JSON line: how many events or authors in how many seconds, CPU seconds of this process, peak memory.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import redis
import uvloop
from aiokafka import AIOKafkaConsumer, TopicPartition

import streams.kafka.transport  # noqa: F401  # has aiokafka yield the parser's own records, as the pipeline does
from benchmarks.peers import job
from streams.events.decode import decode_events

FETCH_BYTES = 8 << 20  # as the pipeline
FETCH_RECORDS = 20_000
AUTHORS, AUTHORS_PER_CALL, ROUNDS = 50_000, 1_000, 4


async def fetch(at: job.Deployment, use: Callable[[Sequence[bytes | None]], Any]) -> int:
    """Read the topic to its present end, give the values of each batch to `use`, and return how many there were."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=at.kafka,
        enable_auto_commit=False,
        max_partition_fetch_bytes=FETCH_BYTES,
        fetch_max_bytes=4 * FETCH_BYTES,
    )
    await consumer.start()
    try:
        tps = [TopicPartition(at.topic, p) for p in range(at.partitions)]
        consumer.assign(tps)
        await consumer.seek_to_beginning(*tps)
        left = set(tps)
        ends = await consumer.end_offsets(tps)
        count = 0
        while left:
            for tp, records in (await consumer.getmany(timeout_ms=1000, max_records=FETCH_RECORDS)).items():
                use([record.value for record in records])
                count += len(records)
                if records[-1].offset + 1 >= ends[tp]:
                    left.discard(tp)
        return count
    finally:
        await consumer.stop()


def write_authors(at: job.Deployment) -> int:
    """Write authors to Redis, and return how many writes of one there were."""
    client = redis.Redis.from_url(at.redis)
    state = [3, 141, 59, 26, 53.589793238462643, 2.7182818284590452, 1_341_100_972.0]
    for first in range(0, AUTHORS * ROUNDS, AUTHORS_PER_CALL):
        with client.pipeline(transaction=False) as pipe:
            for number in range(first, first + AUTHORS_PER_CALL):
                job.write(pipe, str(number % AUTHORS), state)
            pipe.execute()
    return AUTHORS * ROUNDS


FLOORS: dict[str, Callable[[job.Deployment], int]] = {
    "fetch": lambda at: uvloop.run(fetch(at, len)),
    "decode": lambda at: uvloop.run(fetch(at, decode_events)),
    "redis": write_authors,
}


def main(name: str) -> None:
    """Measure one and print it."""
    at = job.Deployment.from_environ()
    begun_s, begun_cpu_s = time.monotonic(), time.process_time()
    count = FLOORS[name](at)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    said = {
        "count": count,
        "seconds": time.monotonic() - begun_s,
        "cpu_s": time.process_time() - begun_cpu_s,
        "peak_rss_mb": usage.ru_maxrss / 1e3,
    }
    print(json.dumps(said), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
