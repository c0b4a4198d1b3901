"""Workers that come and go under load: partitions change hands, each belongs to one worker, each event counts once."""

from __future__ import annotations

import time

from harness import deployment
from load import Load, lively

from streams.settings import Settings

LEAST, RATE = 40_000, 2_000.0


def test_workers_that_join_and_leave_under_load_share_the_partitions_and_count_each_event_once(settings: Settings) -> None:
    everything = list(range(settings.partitions))
    with deployment(settings, workers=1) as running:
        first = running.workers[0]
        load = Load(settings, lively(11, time.time() - 86_400), RATE, least=LEAST)
        running.wait_for(lambda: running.position() > 0, "first position")
        assert first.owned == everything

        second = running.start()
        running.wait_for(lambda: second.owned and sorted(first.owned + second.owned) == everything, "shared partitions")
        assert first.owned, "the newcomer took everything"
        taken = running.position()
        running.wait_for(lambda: running.position() > taken, "progress of two workers")

        assert running.stop(second) == 0
        running.wait_for(lambda: first.owned == everything, "the partitions of the one that left")
        third = running.start()
        running.wait_for(lambda: third.owned and sorted(first.owned + third.owned) == everything, "shared partitions")
        assert running.stop(first) == 0  # the one that was there all along
        running.wait_for(lambda: third.owned == everything, "the partitions of the one that left")

        load.finish()
        running.settle()
        report = running.assert_equal()
        assert report.events == load.sent
        assert report.outcomes["published"] == report.outcomes["recounted"]
        assert running.stop(third) == 0
