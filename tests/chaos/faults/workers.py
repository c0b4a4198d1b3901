"""Workers killed, stopped, continued, joined and left."""

from __future__ import annotations

import os
import signal
import time
from contextlib import closing

from looking import Follower, twice_or_back
from processes import STOP_S

from chaos.compaction import compact
from chaos.row import Row
from chaos.stage import PATIENCE_S, SESSION_S, Scene, Stage

RATE, LEAST = 2_000.0, 20_000
GRACEFUL_PAUSE_S = 15.0


def killed(stage: Stage, row: Row) -> None:
    """Worker kill -9 at random moments under load; every fourth time once more while it joins, recovers or catches up."""
    with stage.scene(row) as scene, closing(Follower(scene.settings)) as follower:
        scene.begin(stage.pick(500_000, 20_000), RATE)
        for number in range(stage.pick(20, 3)):
            scene.running.pass_time(stage.chance.uniform(0.0, 3.0))
            if number % 4 == 1:
                _replace_killed(scene)
                scene.running.pass_time(stage.chance.uniform(2.0, SESSION_S + 5.0))
            killed_s = time.monotonic()
            _replace_killed(scene)
            scene.until_moving()
            row.at_most("working again, s", time.monotonic() - killed_s, SESSION_S + 10, is_speed=True)
            scene.until_recovered(killed_s)
            row.rounds += 1
        scene.end()
        _told_once(scene, follower)


def _replace_killed(scene: Scene) -> None:
    scene.running.kill(scene.running.workers[0])
    scene.running.start()


def _told_once(scene: Scene, follower: Follower) -> None:
    follower.catch_up(scene.running)
    scene.row.at_most("versions told twice or going back", len(twice_or_back(follower.told)), 0)
    scene.row.at_least("changes told", len(follower.told), 1)


def killed_around_a_commit(stage: Stage, row: Row) -> None:
    """Broker paused 300 ms around a commit, worker kill -9 meanwhile or after it."""
    with stage.scene(row) as scene:
        scene.begin(LEAST, RATE)
        broker = scene.kafka.brokers[0]
        for _ in range(stage.pick(20, 3)):
            scene.until_moving()  # a commit was just made; the next comes half a second later
            scene.running.pass_time(stage.chance.uniform(0.2, 0.5))
            broker.pause()
            try:
                time.sleep(0.3)
                if stage.chance.random() < 0.5:
                    scene.running.kill(scene.running.workers[0])
            finally:
                broker.resume()
            if scene.running.workers:
                time.sleep(stage.chance.uniform(0.0, 0.1))
                scene.running.kill(scene.running.workers[0])
            killed_s = time.monotonic()
            scene.running.start()
            scene.until_moving()
            row.at_most("working again, s", time.monotonic() - killed_s, SESSION_S + 10, is_speed=True)
            scene.until_recovered(killed_s)
            row.rounds += 1
        scene.end()


def scaled(stage: Stage, row: Row) -> None:
    """Workers 2 -> 3 -> 1 -> 2 under load, graceful and killed; each partition is owned once."""
    with stage.scene(row) as scene:
        running = scene.running
        scene.begin(LEAST, RATE, workers=2)
        for _ in range(stage.pick(6, 1)):
            _gracefully(scene, row, running.start)
            running.kill(stage.chance.choice(running.workers))
            running.wait_for(running.all_owned, "each partition owned once", PATIENCE_S)
            _gracefully(scene, row, lambda: running.stop(stage.chance.choice(running.workers)))
            _gracefully(scene, row, running.start)
            row.rounds += 1
        scene.end()


def _gracefully(scene: Scene, row: Row, change: object) -> None:
    """Change the number of workers, and note for how long nothing was committed."""
    scene.watch.reset()
    begun_s = time.monotonic()
    change()  # type: ignore[operator]
    workers = len(scene.running.workers)
    scene.running.wait_for(
        lambda: scene.running.all_owned() and all(w.owned for w in scene.running.workers),
        f"{workers} workers sharing",
        PATIENCE_S,
    )
    scene.until_recovered(begun_s)
    row.at_most("pause of a graceful change, s", scene.watch.longest_pause_s, GRACEFUL_PAUSE_S, is_speed=True)


def restarted_one_by_one(stage: Stage, row: Row) -> None:
    """Rolling restart of three workers: each ends with 0, and nobody is told a version twice."""
    with stage.scene(row) as scene, closing(Follower(scene.settings)) as follower:
        scene.begin(LEAST, RATE, workers=3)
        for _ in range(stage.pick(5, 1)):
            for worker in list(scene.running.workers):
                begun_s = time.monotonic()
                scene.running.stop(worker)  # fails for any exit code but 0
                row.at_most("SIGTERM to exit 0, s", time.monotonic() - begun_s, STOP_S, is_speed=True)
                scene.running.start()
                scene.running.wait_for(scene.running.all_owned, "each partition owned once", PATIENCE_S)
                scene.until_recovered(begun_s)
            row.rounds += 1
        scene.end()
        _told_once(scene, follower)


def stopped_and_continued(stage: Stage, row: Row) -> None:
    """Worker stopped longer than its session and continued: its rows never survive over newer ones, also after compaction."""
    with stage.scene(row) as scene:
        running = scene.running
        scene.begin(LEAST, RATE, workers=2)
        for _ in range(stage.pick(10, 2)):
            zombie = stage.chance.choice(running.workers)
            running.pass_time(stage.chance.uniform(0.5, 2.0))  # so that rows are under way
            os.kill(zombie.pid, signal.SIGSTOP)
            stopped_s = time.monotonic()
            try:
                running.pass_time(SESSION_S + 4)
                scene.until_moving()
            finally:
                os.kill(zombie.pid, signal.SIGCONT)
            running.wait_for(running.all_owned, "each partition owned once", PATIENCE_S)
            scene.until_recovered(stopped_s + SESSION_S + 4)
            row.rounds += 1
        scene.end()
        repairs = sum(worker.metrics()["cloutstream_changelog_repairs_total"] for worker in running.workers)
        row.at_least("times that its rows were found and written over", repairs, 1)
        # Not before: in earnest nothing is compacted within the hour, in which an owner has long written again what a worker
        # wrote over that had lost the partition.
        scene.go_on(0, RATE)
        compact(scene)
        scene.end()  # recounts what is left in the changelogs
        for worker in list(running.workers):
            running.kill(worker)
        running.start()
        scene.settle()
        scene.recount()  # what a worker makes of it
