"""Brokers killed, paused, full, and refusing."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from durable import unacknowledged
from load import like
from processes import Worker
from services.apache import ApacheKafka

from chaos.compaction import alter
from chaos.row import NotPlayable, Row
from chaos.stage import BROKER, PATIENCE_S, Scene, Stage

RATE, LEAST = 2_000.0, 20_000
HEALED_S = 60.0
MB = 1 << 20


def _note_restarts(scene: Scene) -> None:
    ended = scene.running.ended_by_itself
    if ended:
        codes = ", ".join(sorted({str(code) for code, _ in ended}))
        scene.row.notes.append(f"{len(ended)} workers ended by themselves ({codes}) and were started again")


def one_of_three_killed(stage: Stage, row: Row) -> None:
    """One broker of three killed and restarted, each in turn."""
    with stage.scene(row, stage.kafka(3)) as scene:
        scene.begin(LEAST, RATE, workers=2)
        for number in range(stage.pick(6, 1)):
            broker = scene.kafka.brokers[number % 3]
            broker.stop()
            before, until = scene.surely_done(), time.monotonic() + HEALED_S
            scene.running.pass_time(stage.pick(20, 12))
            # Nothing can be written before the cluster counts it out of the replicas, its session of 9 s later.
            while scene.surely_done() == before and time.monotonic() < until:
                scene.running.pass_time(0.5)
            row.at_least("events committed while it was away", scene.surely_done() - before, 1)
            broker.start()
            row.at_most("goes on after it is back, s", scene.until_recovered(time.monotonic()), HEALED_S, is_speed=True)
            row.rounds += 1
        _note_restarts(scene)
        scene.end()


def paused(stage: Stage, row: Row) -> None:
    """The only broker paused for 5 s and for 30 s."""
    with stage.scene(row) as scene:
        scene.begin(LEAST, RATE)
        for seconds in (5, 30) * stage.pick(3, 1):
            scene.watch.reset()
            scene.running.pass_time(1.0)
            _pause(scene, seconds)
            row.at_least("pause of a partition, against the broker's", scene.watch.longest_pause_s / seconds, 0.8)
        _note_restarts(scene)
        scene.end()


def paused_during_recovery(stage: Stage, row: Row) -> None:
    """The only broker paused for 5 s and for 30 s while a worker recovers its tables."""
    rows = stage.pick(400_000, 150_000)
    hits = 0
    start_s = time.time() - 86_400
    with stage.scene(row) as scene:
        scene.running.start()
        scene.send([like(n, f"fan{n}", f"author{n}", start_s + n / 1000) for n in range(rows)])
        scene.settle()
        scene.begin(LEAST, RATE, workers=0)
        for seconds in (5, 30) * stage.pick(3, 1):
            scene.running.kill(scene.running.workers[0])
            worker = scene.running.start()
            hits += _until_recovering(scene, worker)
            _pause(scene, seconds)
        row.at_least("pauses that met a recovery", hits, row.rounds)
        _note_restarts(scene)
        scene.end()


def _until_recovering(scene: Scene, worker: Worker) -> bool:
    """Return as soon as a worker says that it has rows before it; False when it became ready without having said so."""
    scene.running.wait_for(lambda: "health and metrics at" in worker.log(), "an address", PATIENCE_S)
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        if worker.metrics()["cloutstream_recovery_remaining_records"] > 0:
            return True
        if worker.is_ready():
            return False
        time.sleep(0.01)
    return False


def _pause(scene: Scene, seconds: float) -> None:
    broker = scene.kafka.brokers[0]
    broker.pause()
    try:
        scene.running.pass_time(seconds)
    finally:
        broker.resume()
    scene.row.at_most("goes on after it is back, s", scene.until_recovered(time.monotonic()), HEALED_S, is_speed=True)
    scene.row.rounds += 1


def changelog_refused(stage: Stage, row: Row) -> None:
    """Every send to a table's changelog fails, the entities' and the actors' in turn: the input isn't committed past it."""
    with stage.scene(row) as scene:
        scene.begin(LEAST, RATE)
        for number in range(stage.pick(6, 2)):
            changelog = (scene.settings.entities_changelog, scene.settings.actors_changelog)[number % 2]
            alter(scene, changelog, {"max.message.bytes": "40"})
            scene.running.pass_time(12.0)
            _end_all(scene)
            _nothing_passed(scene)
            alter(scene, changelog, {"max.message.bytes": str(MB)})
            healed_s = time.monotonic()
            scene.running.start()
            row.at_most("goes on after it is mended, s", scene.until_recovered(healed_s), HEALED_S, is_speed=True)
            row.rounds += 1
        codes = [code for code, _ in scene.running.ended_by_itself]
        row.at_least("workers that ended rather than go on", len(codes), row.rounds)
        row.at_most("of them with another code than 70", sum(code != 70 for code in codes), 0)
        scene.end()


def disk_full(stage: Stage, row: Row) -> None:
    """The disk of the broker is full: the input isn't committed past what couldn't be written."""
    with _small_disk(600) as folder, ApacheKafka(1, BROKER, folder=folder) as cluster, stage.scene(row, cluster) as scene:
        scene.begin(LEAST, RATE)
        broker = cluster.brokers[0]
        for _ in range(stage.pick(3, 1)):
            ballast = folder / "ballast"
            _fill(ballast, 2 * MB)
            until = time.monotonic() + 60
            while broker.is_running and time.monotonic() < until:
                scene.running.pass_time(0.5)
            row.at_most("brokers that went on with a full disk", int(broker.is_running), 0)
            _end_all(scene)
            ballast.unlink()
            broker.stop()
            broker.start()
            _nothing_passed(scene)
            healed_s = time.monotonic()
            scene.running.start()
            row.at_most("goes on after there is room, s", scene.until_recovered(healed_s), HEALED_S, is_speed=True)
            row.rounds += 1
        _note_restarts(scene)
        scene.end()


def _fill(ballast: Path, room: int) -> None:
    """Fill a disk up to about `room` bytes with a file of no content."""
    size = 0
    with open(ballast, "wb") as file, contextlib.suppress(OSError):  # the broker was there first: it is full
        while (free := os.statvfs(ballast.parent)).f_bavail * free.f_frsize > room + MB:
            os.posix_fallocate(file.fileno(), size, MB)
            size += MB


def _end_all(scene: Scene) -> None:
    """Kill the workers, those that end themselves at this moment included."""
    while scene.running.workers:
        scene.running.workers.pop().close()


def _nothing_passed(scene: Scene) -> None:
    """Compare, with nobody running, what is committed with what is there."""
    committed = scene.running.surely_committed()
    scene.row.at_least("committed offsets looked at", len(committed), scene.settings.partitions)
    passed = list(unacknowledged(scene.running, committed))
    scene.row.at_most("offsets committed past what isn't there", len(passed), 0)
    scene.row.wrong += passed[:5]


@contextmanager
def _small_disk(mb: int) -> Iterator[Path]:
    """Mount a disk of so many megabytes for the block; needs root."""
    with tempfile.TemporaryDirectory(prefix="cloutstream-disk-") as folder:
        command = ["mount", "-t", "tmpfs", "-o", f"size={mb}m", "tmpfs", folder]
        said = subprocess.run(command, capture_output=True, text=True)
        if said.returncode:
            raise NotPlayable(f"can't mount a small disk ({said.stderr.strip()}); run as root")
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", "--lazy", folder], check=False)
