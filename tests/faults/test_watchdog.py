"""The watchdog: ends a process whose event loop, or whose work, stands still; and only such a one."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

from tests.readme import ROOT

# A stall time-out of a second, looked at every tenth.
PROGRAM = """
import asyncio, itertools, sys, time
import agents.watchdog
from agents.watchdog import Watchdog

def stand_still():
    time.sleep(60)

def turns(seconds):
    return int(seconds / 0.05)

async def main():
    watchdog = Watchdog(asyncio.get_running_loop(), {waits}, 1.0, 0.1)
    watchdog.start()
    {body}
    watchdog.end()

async def turn(seconds):
    for _ in range(turns(seconds)):
        await asyncio.sleep(0.05)
        print("turned", flush=True)

asyncio.run(main())
"""


def child(body: str, waits: str = "dict") -> subprocess.Popen[str]:
    program = PROGRAM.replace("{body}", body).replace("{waits}", waits)
    return subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(process: subprocess.Popen[str]) -> tuple[int, list[str]]:
    """Return the exit code and what it said on standard error."""
    try:
        _, said = process.communicate(timeout=20)
    finally:
        process.kill()
    return process.returncode, said.splitlines()


def test_a_loop_that_does_not_turn_ends_the_process_with_one_line_that_says_where_it_stands() -> None:
    code, said = ended(child("await turn(0.3); stand_still()"))
    assert code == 70
    assert len(said) == 1, said
    assert "it has waited 1 s for its event loop to turn" in said[0]
    assert "in stand_still" in said[0]


def test_a_loop_that_turns_is_left_alone() -> None:
    assert ended(child("await turn(2.5)")) == (0, [])


def test_a_heavy_step_shorter_than_the_time_out_is_left_alone() -> None:
    assert ended(child("await turn(0.3); time.sleep(0.6); await turn(0.3); time.sleep(0.6); await turn(0.3)")) == (0, [])


def test_a_process_that_was_stopped_for_longer_than_the_time_out_goes_on() -> None:
    # Its work gets somewhere every six ticks: by a clock, three pauses of 1.5 s would each be a stall of it.
    process = child("await turn(2.0)", "(lambda numbers: lambda: {'its turn': next(numbers) // 6})(itertools.count())")
    assert process.stdout
    assert process.stdout.readline() == "turned\n"
    time.sleep(0.5)
    for _ in range(3):
        process.send_signal(signal.SIGSTOP)
        time.sleep(1.5)
        process.send_signal(signal.SIGCONT)
        time.sleep(0.1)
    assert ended(process) == (0, [])


@pytest.mark.parametrize("waits", ["lambda: {'its turn': 7}", "lambda: {'its turn': 7, 'more': next(numbers)}"])
def test_work_that_gets_nowhere_ends_the_process_and_is_named(waits: str) -> None:
    code, said = ended(child("await turn(5)", f"({waits.replace('next(numbers)', 'time.monotonic()')})"))
    assert code == 70
    assert "it has waited 1 s for its turn" in said[0]


@pytest.mark.parametrize(
    "waits",
    [
        "lambda: {'its turn': time.monotonic()}",  # gets somewhere each time
        "lambda: {'its turn': 7} if time.monotonic() % 0.8 > 0.3 else {}",  # is done waiting now and then
        "lambda: 1 / 0",  # can't tell
    ],
)
def test_work_that_gets_somewhere_is_left_alone(waits: str) -> None:
    code, _ = ended(child("await turn(2.5)", f"({waits})"))
    assert code == 0


def test_a_process_that_was_told_to_stop_and_does_not_is_ended() -> None:
    begun = time.monotonic()
    code, said = ended(child("agents.watchdog.STOP_WITHIN_S = 0.5; watchdog.stop_soon(); await turn(10)"))
    assert code == 70
    assert "it was told to stop and hasn't ended after 0.5 s" in said[0]
    assert time.monotonic() - begun < 8


def test_a_log_that_nobody_reads_does_not_keep_a_process_that_must_end() -> None:
    fill = "import os; os.set_blocking(2, False)\n    try:\n        while True: os.write(2, b'x' * 4096)\n"
    fill += "    except BlockingIOError: os.set_blocking(2, True)\n"
    process = child(f"{fill}    stand_still()")
    try:
        assert process.wait(20) == 70  # nothing was read from its standard error
    finally:
        process.kill()
        process.communicate()
