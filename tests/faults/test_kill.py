"""kill -9 at random moments, over and over, while events flow: nothing is lost and nothing counted twice."""

from __future__ import annotations

import random
import time

from harness import deployment
from load import Load, lively_events

from streams.settings import Settings

EVENTS, KILLS, SEED = 200_000, 12, 20_260_731


def test_invariant_1_after_twelve_kills_under_load_every_number_equals_a_recount(settings: Settings) -> None:
    chance = random.Random(SEED)
    events = lively_events(EVENTS, SEED, time.time() - 86_400)
    with deployment(settings) as running:
        load = Load(settings, events, EVENTS / 60)
        for kill in range(KILLS):
            worker = running.start()
            if kill % 4 == 3:  # at any moment of its start: while joining, recovering, or just done
                time.sleep(chance.uniform(0.5, 5.5))
            else:
                before = running.position()
                running.wait_for(lambda before=before: running.position() > before or load.is_done, "progress of a new worker")
                time.sleep(chance.uniform(0.0, 1.5))
            running.kill(worker)
        load.finish()
        running.start()
        running.settle()
        report = running.assert_equal()
        assert report.events == EVENTS
        assert min(report.outcomes["recounted"][name] for name in ("applied", "self", "duplicate", "refused")) > 0
