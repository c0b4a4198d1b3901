"""Looking at what a child prints."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time

from streams.worker_process import end_of

_TWICE = "import sys; print('one', flush=True); sys.stdin.read(1); print('two')"


def test_looking_at_a_log_does_not_move_the_child_that_writes_it() -> None:
    with tempfile.TemporaryFile() as log:
        child = subprocess.Popen([sys.executable, "-c", _TWICE], stdin=subprocess.PIPE, stdout=log)
        deadline = time.monotonic() + 30
        while end_of(log, 1) != "\n":
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert end_of(log, 2) == "e\n"  # read from elsewhere than where the child goes on
        child.communicate(b"x", timeout=30)
        assert end_of(log, 100) == "one\ntwo\n"
