"""A real worker that stands still ends itself, so that a supervisor starts it again; one that was paused doesn't."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from harness import deployment
from load import Load, lively_events
from processes import ROOT

from streams.embedded import EmbeddedBroker
from streams.kafka.topics import create_topics
from streams.settings import PREFIX, Settings

STALL_S = 8.0

# A worker whose Faust gives up a recovery as it does when a request to the broker takes too long: it ends its recovery for good
# and otherwise goes on as if nothing had happened.
RECOVERY_THAT_TIMES_OUT = """
import asyncio, sys
from faust.tables.recovery import Recovery
from streams.cli import main

async def too_slow(self, *_):
    self.app.conf.broker_request_timeout = 0.2
    await asyncio.sleep(3600)

async def highwaters(self, consumer, tps, destination, title):
    self.app.conf.broker_request_timeout = 0.2

Recovery._build_highwaters, Recovery._build_offsets = highwaters, too_slow
sys.exit(main(["worker"]))
"""

# One whose recovery waits for records that never come.
RECOVERY_THAT_NEVER_ENDS = """
import asyncio, sys
from faust.tables.recovery import Recovery
from streams.cli import main

async def far(self, consumer, tps, destination, title):
    destination.update({tp: 1_000_000 for tp in tps})

Recovery._build_highwaters = far
sys.exit(main(["worker"]))
"""


@pytest.fixture
def kafka_server() -> Iterator[EmbeddedBroker]:
    """A broker of this test's own, which it may freeze."""
    with EmbeddedBroker() as server:
        yield server


def test_a_recovery_that_faust_has_given_up_ends_the_worker_at_once(settings: Settings) -> None:
    create_topics(settings)
    environ = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)} | settings.to_environ()
    ended = subprocess.run(
        [sys.executable, "-c", RECOVERY_THAT_TIMES_OUT], cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 70, ended.stderr
    assert "recovering the tables failed: CloutstreamError('a step of it took more than 0.2 s')" in ended.stderr.splitlines()[-1]


def test_a_recovery_that_reads_nothing_more_ends_the_worker(settings: Settings) -> None:
    settings = replace(settings, stall_timeout_s=STALL_S)
    create_topics(settings)
    environ = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)} | settings.to_environ()
    ended = subprocess.run(
        [sys.executable, "-c", RECOVERY_THAT_NEVER_ENDS], cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 70, ended.stderr
    last = ended.stderr.splitlines()[-1]
    assert f"it has waited {STALL_S:g} s for the recovery of its tables, without any progress" in last


def test_a_worker_whose_broker_falls_silent_before_it_gave_partitions_ends_itself(
    settings: Settings, kafka_server: EmbeddedBroker
) -> None:
    with deployment(replace(settings, kafka=kafka_server.address, stall_timeout_s=STALL_S)) as running:
        worker = running.start()
        worker.url()
        kafka_server.pause()
        try:
            assert worker.wait(STALL_S + 10) == 70
        finally:
            kafka_server.resume()
        assert "for an assignment from the consumer group, without any progress" in worker.log()


def test_a_worker_whose_broker_is_away_for_less_than_the_stall_time_out_goes_on(
    settings: Settings, kafka_server: EmbeddedBroker
) -> None:
    events = lively_events(20_000, 31, time.time() - 86_400)
    with deployment(replace(settings, kafka=kafka_server.address, stall_timeout_s=20.0)) as running:
        worker = running.start()
        load = Load(running.settings, events, 2_000.0)
        running.wait_for(lambda: running.position() > 0, "first position")
        kafka_server.pause()
        time.sleep(12)
        kafka_server.resume()
        load.finish()
        running.settle()
        assert running.assert_equal().events == len(events)
        assert running.stop(worker) == 0


def test_a_worker_that_was_paused_for_longer_than_the_stall_time_out_goes_on(settings: Settings) -> None:
    events = lively_events(20_000, 32, time.time() - 86_400)
    with deployment(replace(settings, stall_timeout_s=STALL_S)) as running:
        worker = running.start()
        load = Load(running.settings, events, 2_000.0)
        running.wait_for(lambda: running.position() > 0, "first position")
        worker.signal(signal.SIGSTOP)
        time.sleep(STALL_S + 4)
        worker.signal(signal.SIGCONT)
        load.finish()
        running.settle()
        assert running.assert_equal().events == len(events)
        assert running.stop(worker) == 0
