"""Other programs of the benchmarks as child processes that never outlive this one."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from streams.embedded import GUARD
from streams.errors import CloutstreamError
from streams.settings import PREFIX, Settings
from streams.worker_process import end_of

_STOP_TIMEOUT_S = 10.0
_SHOWN_BYTES = 1500


class Child:
    """A running child; `line` reads what it prints, unless that goes to a log."""

    def __init__(self, name: str, pid: int, guard: subprocess.Popen[bytes], log: IO[bytes] | None = None) -> None:
        self.pid = pid
        self._name, self._guard, self._log = name, guard, log
        self._held = b""

    def check(self) -> None:
        """Do nothing while it runs.

        Raises:
            CloutstreamError: it has ended; the message holds the last of what is in its log.
        """
        if self._guard.poll() is not None:
            raise CloutstreamError(f"{self._name} has ended; it said last: {self.last_words()}")

    def wait(self, timeout_s: float) -> None:
        """Wait until it has ended by itself.

        Raises:
            CloutstreamError: it hasn't within `timeout_s`.
        """
        try:
            self._guard.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise CloutstreamError(f"{self._name} still runs after {timeout_s:.0f} s") from None

    def last_words(self) -> str:
        """Return the end of its log."""
        if self._log is None:
            return "what is above"
        return end_of(self._log, _SHOWN_BYTES).strip() or "nothing"

    def line(self, timeout_s: float) -> bytes:
        """Return the next line of its standard output.

        Raises:
            CloutstreamError: it printed none within `timeout_s`, or ended.
        """
        assert self._guard.stdout
        deadline = time.monotonic() + timeout_s
        while b"\n" not in self._held:
            readable, _, _ = select.select([self._guard.stdout], [], [], max(0.0, deadline - time.monotonic()))
            if not readable:
                raise CloutstreamError(f"{self._name} said nothing for {timeout_s:.0f} s")
            part = os.read(self._guard.stdout.fileno(), 65536)
            if not part:
                raise CloutstreamError(f"{self._name} has ended; what it printed last is above")
            self._held += part
        line, self._held = self._held.split(b"\n", 1)
        return line

    def stop(self) -> None:
        """Ask it to end, and end it when it hasn't after 10 s."""
        if self._guard.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._guard.wait(_STOP_TIMEOUT_S)
        assert self._guard.stdin
        with contextlib.suppress(BrokenPipeError):
            self._guard.stdin.close()  # the guard kills what is left
        self._guard.wait()
        if self._guard.stdout:
            self._guard.stdout.close()


@contextlib.contextmanager
def child(module: str, *arguments: str, settings: Settings) -> Iterator[Child]:
    """Run `python -m MODULE` with `settings` in its environment; it is gone at the end of the block."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)} | settings.to_environ()
    with program(module, [sys.executable, "-m", module, *arguments], environ) as running:
        yield running


@contextlib.contextmanager
def program(
    name: str, command: Sequence[str], environ: Mapping[str, str], folder: Path | None = None, log: IO[bytes] | None = None
) -> Iterator[Child]:
    """Run a program; it is gone at the end of the block.

    Args:
        name: what messages call it.
        command: absolute path and arguments.
        environ: all of its environment.
        folder: its working directory; this process's where None.
        log: where all that it prints goes; where None, standard output is for `line`, and standard error this process's.
    """
    read_fd, write_fd = os.pipe()
    with open(read_fd, "rb") as report:
        guard = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", GUARD, str(write_fd), *command],
            stdin=subprocess.PIPE,
            stdout=log or subprocess.PIPE,
            stderr=log,
            pass_fds=[write_fd],
            start_new_session=True,
            cwd=folder,
            env=dict(environ),
        )
        os.close(write_fd)
        running = Child(name, int(report.readline() or 0), guard, log)
    try:
        yield running
    finally:
        running.stop()
