"""Rows that the previous version wrote, read by this one; and the way back."""

from __future__ import annotations

import io
import signal
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from processes import ROOT, Worker

from chaos.row import NotPlayable, Row
from chaos.stage import PATIENCE_S, Stage, Supervised

PREVIOUS = "1c9b81ce0b8fe3b3b4b3ce44b38df5df9548eab1"
RATE, LEAST = 2_000.0, 20_000
PREVIOUS_STOP_S = 30.0


def upgraded(stage: Stage, row: Row) -> None:
    """Workers of the previous version, then of this one, then of the previous again, over the same topics under load."""
    with _source(PREVIOUS) as previous, stage.scene(row) as scene:
        running = scene.running
        scene.recounts_actors = False  # the previous version counts twice in them what it took twice
        running.source = previous
        scene.begin(LEAST, RATE, workers=2)
        for source in (ROOT, previous) * stage.pick(2, 1) + (ROOT,):
            running.pass_time(5.0)
            running.source = source
            for worker in list(running.workers):  # one by one, as a rolling upgrade does
                begun_s = time.monotonic()
                _stop(running, worker)
                running.start()
                running.wait_for(running.all_owned, "each partition owned once", PATIENCE_S)
                scene.until_recovered(begun_s)
            row.rounds += 1
        scene.end()
        row.at_most("workers that ended by themselves", len(running.ended_by_itself), 0)


def _stop(running: Supervised, worker: Worker) -> None:
    if worker.source == ROOT:
        running.stop(worker)
        return
    # The previous version may end with 70 when it is stopped under load: what it had taken is read again.
    worker.signal(signal.SIGTERM)
    worker.wait(PREVIOUS_STOP_S)
    running.workers.remove(worker)
    worker.close()


@contextmanager
def _source(commit: str) -> Iterator[Path]:
    """Give a folder with the source as of a commit."""
    said = subprocess.run(["git", "archive", commit, "streams", "agents"], cwd=ROOT, capture_output=True)
    if said.returncode:
        raise NotPlayable(f"no commit {commit} in this clone ({said.stderr.decode().strip()}); fetch the whole history")
    with tempfile.TemporaryDirectory(prefix="cloutstream-previous-") as folder:
        with tarfile.open(fileobj=io.BytesIO(said.stdout)) as archive:
            archive.extractall(folder, filter="data")
        yield Path(folder)
