"""A worker as a child process, for commands that bring everything up themselves."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from types import FrameType
from typing import IO

from streams.embedded import GUARD
from streams.errors import CloutstreamError
from streams.settings import PREFIX, Settings

STOP_TIMEOUT_S = 10.0
_SHOWN_BYTES = 1500


def end_of(log: IO[bytes], most_bytes: int) -> str:
    """Return the end of what a child printed into a file.

    Without moving in it: parent and child share the position, and the child would write on from there, over what it wrote before.
    """
    size = os.fstat(log.fileno()).st_size
    shown = min(size, most_bytes)
    return os.pread(log.fileno(), shown, size - shown).decode(errors="replace")


class WorkerProcess:
    """A running `cloutstream worker`; what it prints goes to a file of its own, so that it can't disturb a board."""

    def __init__(self, pid: int, guard: subprocess.Popen[bytes], log: IO[bytes]) -> None:
        self.pid = pid
        self._guard = guard
        self._log = log

    def check(self) -> None:
        """Do nothing while the worker runs.

        Raises:
            CloutstreamError: it has ended; the message holds the last of what it printed.
        """
        if self._guard.poll() is not None:
            raise CloutstreamError(f"the worker has ended; it said last: {self.last_words()}")

    def last_words(self) -> str:
        """Return the end of what the worker printed."""
        return end_of(self._log, _SHOWN_BYTES).strip() or "nothing"

    def stop(self) -> None:
        """Ask the worker to end, and end it when it hasn't after 10 s."""
        if self._guard.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._guard.wait(STOP_TIMEOUT_S)
        assert self._guard.stdin
        with contextlib.suppress(BrokenPipeError):
            self._guard.stdin.close()  # the guard kills what is left
        self._guard.wait()


@contextlib.contextmanager
def worker_process(settings: Settings) -> Iterator[WorkerProcess]:
    """Run a worker with `settings`; it is gone at the end of the block, however that ends, kill -9 of this process included."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)} | settings.to_environ()
    # -m streams: the package this process runs, installed or not.
    command = [sys.executable, "-m", "streams", "worker"]
    read_fd, write_fd = os.pipe()
    with tempfile.TemporaryFile() as log, open(read_fd, "rb") as report:
        guard = subprocess.Popen(  # noqa: S603  # the command is ours
            [sys.executable, "-I", "-S", "-c", GUARD, str(write_fd), *command],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            pass_fds=[write_fd],
            start_new_session=True,  # Ctrl-C reaches only this process, which then stops the worker before its servers
            env=environ,
        )
        os.close(write_fd)
        worker = WorkerProcess(int(report.readline() or 0), guard, log)
        try:
            yield worker
        finally:
            worker.stop()


@contextlib.contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """Make SIGTERM inside the block end it as Ctrl-C does, so that children are stopped in order."""

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
