"""What only shows after a long time: memory that grows, keys that stay, rebalances that take longer.

What grows for longer than an hour by design is brought to its full size first: the windows of ids, two million offsets a
partition, by a backlog; the changelogs, by compacting them every minute instead of every hour.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from itertools import islice, pairwise
from random import Random

import psutil
from load import Record, like

from chaos.compaction import alter
from chaos.row import Row
from chaos.stage import PATIENCE_S, Scene, Stage

RATE = 1_000.0
EXPIRE_AFTER_S = 240.0
MOVE_S = 30.0  # a new crowd of authors
CROWD = 3_000
FANS = 20_000  # the same all the time: an actor's row stays for days
WINDOWS_FULL, BLOCK = 5_000_000, 100_000
OFTEN = {
    "min.compaction.lag.ms": "0",
    "segment.ms": "60000",
    "max.compaction.lag.ms": "60000",
    "min.cleanable.dirty.ratio": "0.1",
}


def an_hour(stage: Stage, row: Row) -> None:
    """An hour of steady load with accounts that come and go; a rebalance at its end takes no longer than one at its start."""
    windows, window_s = stage.pick(4, 2), stage.pick(600, 30)
    with stage.scene(row, partitions=2, expire_after_s=EXPIRE_AFTER_S if stage.is_long else 20.0) as scene:
        scene.recounts_actors = False  # their millions of events would take longer than all else
        for topic in (scene.settings.actors_changelog, scene.settings.entities_changelog):
            alter(scene, topic, OFTEN)
        events = _churn(stage.chance)
        scene.running.start()
        for _ in range(stage.pick(WINDOWS_FULL, 200_000) // BLOCK):
            scene.send(list(islice(events, BLOCK)))
        scene.running.wait_until_committed(*scene.settings.topic_names, timeout_s=900)
        scene.begin(0, RATE, events=events, workers=0)
        scene.running.pass_time(2 * window_s if stage.is_long else window_s)  # warm-up: expiry sets in, arrays reach their size
        first_s = _rebalance(scene)
        worker = scene.running.workers[0]
        process = psutil.Process(worker.pid)
        memory, keys = [], []
        for _ in range(windows):
            samples: list[tuple[int, int]] = []
            _sample_for(scene, window_s, lambda: samples.append((process.memory_info().rss, scene.running.client.dbsize())))  # noqa: B023
            memory.append(statistics.median(rss for rss, _ in samples))
            keys.append(max(count for _, count in samples))
            row.rounds += 1
        growth = max(later / earlier for earlier, later in pairwise(memory)) - 1
        row.at_most("growth of memory in a window, %", 100 * growth, 1.0 if stage.is_long else 20.0)
        row.at_most("growth of Redis keys, %", 100 * (keys[-1] / keys[0] - 1), 5.0 if stage.is_long else 50.0)
        row.notes.append(f"memory {', '.join(f'{m / 1e6:.1f}' for m in memory)} MB; keys {', '.join(f'{k:,}' for k in keys)}")
        row.at_most(
            "pause of a rebalance, against the first", _rebalance(scene) / first_s, 1.5 if stage.is_long else 4.0, is_speed=True
        )
        row.at_most("workers that ended by themselves", len(scene.running.ended_by_itself), 0)
        scene.end()


def _churn(chance: Random) -> Iterator[Record]:
    """Yield events of now for ever, of accounts most of which are new every half a minute."""
    number = 0
    while True:
        now_s = time.time()
        first = int(now_s / MOVE_S) * CROWD // 2
        number += 1
        yield like(number, f"fan{chance.randrange(FANS)}", f"author{first + chance.randrange(CROWD)}", now_s)


def _sample_for(scene: Scene, seconds: float, sample: Callable[[], object]) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        scene.running.pass_time(2.0)
        sample()


def _rebalance(scene: Scene) -> float:
    """Have a second worker join and leave, five times; return the median of the pauses, s."""
    pauses = []
    for _ in range(5):
        scene.watch.reset()
        second = scene.running.start()
        scene.running.wait_for(lambda: scene.running.all_owned() and second.owned, "two workers sharing", PATIENCE_S)  # noqa: B023
        scene.until_recovered(time.monotonic())
        scene.running.stop(second)
        scene.running.wait_for(scene.running.all_owned, "one worker with all", PATIENCE_S)
        scene.until_recovered(time.monotonic())
        pauses.append(scene.watch.longest_pause_s)
    return statistics.median(pauses)
