"""A backlog drains step by step: what is durable and committed moves on while it drains, so a crash repeats little."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from harness import deployment
from load import like, send

from streams.settings import Settings

EVENTS, ACCOUNTS = 500_000, 5_000


@pytest.mark.parametrize("partitions", [1, 4])
def test_positions_and_commits_move_on_while_a_backlog_drains(settings: Settings, partitions: int) -> None:
    settings = replace(settings, partitions=partitions, backlog_tick_ms=150.0)
    start_s = time.time() - 86_400
    events = [like(n, f"fan{n * 7919 % ACCOUNTS}", f"author{n * 31 % ACCOUNTS}", start_s + n / 10) for n in range(EVENTS)]
    with deployment(settings) as running:
        send(settings, events)
        running.start()
        positions: set[int] = set()
        commits: set[int] = set()
        topic = settings.topic_names[0]

        def is_drained() -> bool:
            positions.add(running.position())
            commits.add(sum(at for (name, _), at in running.committed().items() if name == topic))
            return max(commits) == EVENTS

        running.wait_for(is_drained, "committed backlog", timeout_s=240)
        running.settle()
        # Of a drain of some seconds, with a flush every 150 ms and a commit every 500 ms.
        assert len(positions - {0, EVENTS}) >= 3
        assert len(commits - {0, EVENTS}) >= 2
        assert running.stats()["applied"] == EVENTS
