"""A real worker for tests: a child process that is started, killed, stopped and waited for by pid."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from streams.settings import PREFIX, Settings
from streams.worker_process import end_of

ROOT = Path(__file__).parent.parent
READY_S, STOP_S = 90.0, 10.0
_LOG_SHOWN_BYTES = 6000
_DEFAULTS = Settings().to_environ()

# Ends the worker when the test process is killed; then becomes the worker, so that its pid and exit code are the child's.
_LAUNCH = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
os.execv(sys.executable, [sys.executable, "-m", "streams", *sys.argv[1:]])
"""


class Worker:
    """One `cloutstream worker` process, of the version in the folder `source`."""

    def __init__(self, settings: Settings, source: Path = ROOT) -> None:
        environ = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        self.source = source
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  # closed by `close`
        self._process = subprocess.Popen(
            [sys.executable, "-c", _LAUNCH, "worker"],
            cwd=source,
            # Those of another version don't know every setting; what is as by default needn't be told.
            env=environ | {name: value for name, value in settings.to_environ().items() if value != _DEFAULTS[name]},
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it hasn't ended."""
        return self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """What it ended with; None while it runs."""
        return self._process.poll()

    @property
    def owned(self) -> list[int]:
        """The partitions that it last said it is ready for."""
        said = re.findall(r"ready: partitions \[([\d, ]*)\]", end_of(self._log, sys.maxsize))
        return [int(p) for p in said[-1].split(",") if p.strip()] if said else []

    def log(self) -> str:
        """Return the end of what it printed."""
        return end_of(self._log, _LOG_SHOWN_BYTES)

    def url(self) -> str:
        """Return where it answers on its health and metrics, once it has said so."""
        deadline = time.monotonic() + READY_S
        while True:
            found = re.search(r"health and metrics at (http://\S+)", end_of(self._log, sys.maxsize))
            if found:
                return found[1]
            self.check()
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.01)

    def ask(self, path: str, **headers: str) -> tuple[int, str]:
        """Return the status and the text that it answers with."""
        request = urllib.request.Request(self.url() + path, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as e:
            with e:
                return e.code, e.read().decode()

    def metrics(self) -> dict[str, float]:
        """Return the values of all samples of its metrics by name and labels."""
        status, text = self.ask("/metrics")
        assert status == 200, text
        return {
            f"{s.name}{sorted(s.labels.items())}" if s.labels else s.name: s.value
            for family in text_string_to_metric_families(text)
            for s in family.samples
        }

    def is_ready(self) -> bool:
        """Whether it says that it can work."""
        return self.ask("/readyz")[0] == 200

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def wait(self, timeout_s: float) -> int:
        """Return its exit code once it has ended; fail with its log when that takes longer."""
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"worker {self.pid} didn't end within {timeout_s:g} s; it said last:\n{self.log()}") from None

    def check(self) -> None:
        """Fail with the worker's log when it has ended by itself."""
        if not self.is_running:
            raise AssertionError(f"worker {self.pid} ended with {self._process.returncode}; it said last:\n{self.log()}")

    def kill(self) -> None:
        """Kill -9."""
        self.check()
        self._process.kill()
        self._process.wait(5)

    def stop(self) -> int:
        """SIGTERM; return the exit code 0, or fail with the log when it is another or takes longer than 10 s."""
        self.check()
        self.signal(signal.SIGTERM)
        code = self.wait(STOP_S)
        if code:
            raise AssertionError(f"worker {self.pid} ended with {code} after SIGTERM; it said last:\n{self.log()}")
        return code

    def close(self) -> None:
        """Leave nothing behind."""
        if self.is_running:
            self._process.kill()
        self._process.wait()
        self._log.close()
