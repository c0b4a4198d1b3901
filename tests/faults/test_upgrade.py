"""What another release, or other settings, left in Redis is written anew by whoever takes its partitions over."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from harness import Deployment, deployment
from load import like, send

from streams.settings import Settings


def _engaged(settings: Settings, running: Deployment) -> None:
    at_s = time.time() - 3600
    send(settings, [like(n, f"fan{n}", "ann", at_s, tags=["ai"]) for n in range(2)])
    running.settle()


def _members(running: Deployment) -> list[bytes]:
    found: list[bytes] = running.client.zrange(f"{running.settings.redis_prefix}board:topic:ai:standing", 0, -1)  # type: ignore[assignment]
    return found


def test_a_topic_asks_for_more_evidence_and_who_has_not_that_much_leaves_its_board(settings: Settings) -> None:
    with deployment(replace(settings, topic_enter_reach=0.0, topic_leave_reach=0.0), workers=1) as running:
        _engaged(settings, running)
        assert _members(running) == [b"ann"]
        running.stop(running.workers[0])
    with deployment(settings) as running:
        running.start()
        running.wait_for(lambda: not _members(running), "a board without those who lack evidence")
        running.wait_for(running.reader.is_complete, "Redis complete")
        running.settle()
        running.assert_equal()


@pytest.mark.parametrize("is_older", [True, False])
def test_a_partition_that_an_older_release_noted_last_is_filled_again(settings: Settings, is_older: bool) -> None:
    with deployment(settings, workers=1) as running:
        _engaged(settings, running)
        running.stop(running.workers[0])
        epoch = running.client.get(f"{settings.redis_prefix}epoch")
        if is_older:
            for p in range(settings.partitions):
                running.client.hset(f"{settings.redis_prefix}stats:{p}", "updated_at", "1763800000.125")
        running.client.zadd(f"{settings.redis_prefix}board:topic:ai:standing", {"ann": 1.0})
        running.client.sadd(f"{settings.redis_prefix}boards", "topic:ai:standing")
        running.start()
        send(settings, [like(n, f"fan{n}", "ben", time.time()) for n in range(100, 200)])  # to all partitions
        running.settle()
        if is_older:
            running.wait_for(lambda: not _members(running), "a board as this release has it")
        running.wait_for(running.reader.is_complete, "Redis complete")
        running.settle()
        assert (running.client.get(f"{settings.redis_prefix}epoch") != epoch) == is_older
        assert _members(running) == ([] if is_older else [b"ann"])
