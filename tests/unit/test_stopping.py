"""What a stop may meet on its way, and must not be held up by."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from types import SimpleNamespace
from typing import Any

import faust
import pytest
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from processes import ROOT

from agents import watchdog, worker
from streams.errors import CloutstreamError
from streams.kafka import transport

# Starts a worker that is told to end where exceptions are dropped: in a callback of a weak reference, as imports have them.
_TOLD_WHILE_CLEANING_UP = """
import argparse, contextlib, os, signal, weakref
import streams.redis.client
from streams.cli import worker
from streams.settings import Settings

class Held:
    pass

@contextlib.contextmanager
def session(_settings):
    held = Held()
    watched = weakref.ref(held, lambda _: os.kill(os.getpid(), signal.SIGTERM))
    del held
    print("went on")
    raise SystemExit(3)
    yield

streams.redis.client.session = session
worker.run(argparse.Namespace(), Settings())
"""


def test_a_worker_told_to_stop_while_it_starts_ends_even_where_exceptions_are_dropped() -> None:
    ended = subprocess.run([sys.executable, "-c", _TOLD_WHILE_CLEANING_UP], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stdout) == (0, ""), ended.stderr


@pytest.mark.parametrize("ending", ["leave(70)", "fatal('it', RuntimeError('broke'))"])
def test_a_process_ends_with_its_code_although_what_it_logs_cannot_be_written(ending: str) -> None:
    # Every write to it fails: no space left on the device. What was printed waits in a buffer.
    code = "import sys\nfrom streams.fatal import fatal, leave\nsys.stdout = sys.stderr = open('/dev/full', 'w')\n"
    code += f"print('said')\n{ending}"
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=60)
    assert ended.returncode == 70


async def test_a_consumer_thread_ends_though_what_it_waits_for_swallows_its_cancellation(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = asyncio.Event()

    async def stop(_thread: Any) -> None:
        while not ended.is_set():  # as Faust's queue of calls does
            try:
                await ended.wait()
            except asyncio.CancelledError:
                continue

    monkeypatch.setattr(driver.AIOKafkaConsumerThread, "on_thread_stop", stop)
    thread = transport.BatchConsumerThread.__new__(transport.BatchConsumerThread)
    thread.app = SimpleNamespace(stop_began_s=time.monotonic() - transport.LEAVE_WITHIN_S)  # type: ignore[assignment]
    thread._consumer = SimpleNamespace(_coordinator=SimpleNamespace(coordinator_id=None))
    stopping = asyncio.ensure_future(thread.on_thread_stop())
    done, _ = await asyncio.wait({stopping}, timeout=10)
    ended.set()
    assert stopping in done
    await thread._gather_remaining_tasks()


def test_a_rebalance_that_comes_while_a_worker_stops_closes_nothing_from_outside_the_thread() -> None:
    closed: list[str] = []
    thread = transport.BatchConsumerThread.__new__(transport.BatchConsumerThread)
    thread.app = SimpleNamespace(loop=None)  # type: ignore[assignment]
    thread._consumer = SimpleNamespace(
        _client=SimpleNamespace(close=lambda: closed.append("client")),
        _coordinator=SimpleNamespace(close=lambda: closed.append("coordinator")),
    )
    thread.close()
    assert closed == []


async def test_a_seek_is_carried_out_by_the_thread() -> None:
    called: list[tuple[Any, ...]] = []

    async def call_thread(function: Any, *arguments: Any) -> None:
        called.append((function.__name__, *arguments))

    consumer = transport.BatchConsumer.__new__(transport.BatchConsumer)
    consumer._thread = SimpleNamespace(call_thread=call_thread, seek_in_thread=transport.BatchConsumerThread.seek_in_thread)  # type: ignore[assignment]
    await consumer._seek(TP("events", 1), 7)
    assert called == [("seek_in_thread", TP("events", 1), 7)]


@pytest.mark.parametrize(("crash", "code"), [(None, 0), (CloutstreamError("a send failed"), CloutstreamError.exit_code)])
async def test_a_worker_that_does_not_get_to_the_end_of_its_stop_leaves_in_time_with_a_code_that_tells_of_a_crash(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, crash: BaseException | None, code: int
) -> None:
    left: list[int] = []

    async def stop(_worker: Any) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(faust.Worker, "stop", stop)
    monkeypatch.setattr(worker, "LEAVE_WITHIN_S", 0.05)
    monkeypatch.setattr(worker, "leave", left.append)
    stopped = worker.Worker.__new__(worker.Worker)
    stopped.watchdog = SimpleNamespace(stop_soon=lambda: None)  # type: ignore[assignment]
    stopped._crash_reason = crash
    await asyncio.wait_for(stopped.stop(), 10)
    assert left == [code]
    assert "not all had ended 0.05 s after the stop was asked for" in caplog.text


def test_a_stop_that_takes_too_long_ends_before_a_supervisor_kills() -> None:
    assert transport.LEAVE_WITHIN_S < worker.LEAVE_WITHIN_S < watchdog.STOP_WITHIN_S < 10  # as docker stop
