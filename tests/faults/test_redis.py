"""Redis stopped, frozen and wiped while events flow: nothing waits for it, nothing is lost, no reader sees a half-built board."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from dataclasses import replace
from itertools import count, islice

from harness import Deployment, deployment
from load import Load, like, lively, send
from looking import Follower, twice_or_back, version_of, watching_boards

from streams.embedded import EmbeddedRedis
from streams.settings import Settings

LEAST, RATE = 20_000, 2_000.0


def _begun(running: Deployment, seed: int) -> Load:
    """Return a load of which the worker has taken some; it lasts until it is told to finish."""
    load = Load(running.settings, lively(seed, time.time() - 86_400), RATE, least=LEAST)
    running.wait_for(lambda: running.position() > 0, "first position")
    return load


def _keeps_up_for(running: Deployment, seconds: float) -> None:
    """Let `seconds` pass in which the worker makes durable what is sent, all the way to the scores topic."""
    topics = [*running.settings.topic_names, running.settings.engagements_topic]
    until = time.monotonic() + seconds
    before = sum(running.committed().values())
    while time.monotonic() < until:
        # What is there now is done within a few ticks, however long Redis has been away.
        running.wait_until_committed(*topics, timeout_s=30)
    assert sum(running.committed().values()) > before


def test_redis_stopped_under_load_holds_up_nothing_and_is_complete_when_it_is_back(
    settings: Settings, server: EmbeddedRedis
) -> None:
    with deployment(replace(settings, redis=server.url), workers=1) as running:
        load = _begun(running, 1)
        server.stop()
        _keeps_up_for(running, 4.0)
        server.start()  # with nothing remembered
        load.finish()
        running.settle()
        assert running.assert_equal().events == load.sent


def test_a_redis_that_answers_nothing_for_longer_than_its_timeout_holds_up_nothing(
    settings: Settings, server: EmbeddedRedis
) -> None:
    with deployment(replace(settings, redis=server.url), workers=1) as running:
        load = _begun(running, 2)
        server.pause()
        try:
            _keeps_up_for(running, 6.5)
        finally:
            server.resume()
        load.finish()
        running.settle()
        assert running.assert_equal().events == load.sent


def test_invariant_3_redis_equals_the_table_after_a_wipe_and_never_shows_a_half_built_board(
    settings: Settings, server: EmbeddedRedis
) -> None:
    accounts, start_s = 20_000, time.time() - 3600
    events = (like(n, f"fan{n % 997}", f"author{n % accounts}", start_s + n / 100) for n in count())
    complete, absent, former = (1, accounts, accounts), (0, 0, 0), (0, accounts, accounts)
    settings = replace(settings, redis=server.url)
    with deployment(settings, workers=2) as running:
        send(settings, list(islice(events, accounts)))
        running.settle()
        load = Load(settings, events, 2_500.0, least=accounts)  # of no account that isn't on the boards already
        with watching_boards(settings) as seen:
            for _ in range(2):
                running.client.flushall()
                running.wait_for(running.reader.is_complete, "complete keyspace after a wipe")
        assert absent in seen
        assert set(seen) <= {complete, absent}
        with watching_boards(settings) as seen:
            running.client.delete(f"{settings.redis_prefix}epoch")
            running.wait_for(running.reader.is_complete, "complete keyspace after `rebuild`")
        assert former in seen
        assert set(seen) <= {complete, former}
        load.finish()
        running.settle()
        assert running.assert_equal().events == accounts + load.sent


def test_no_change_is_left_out_or_told_twice_while_redis_is_filled_under_load(settings: Settings) -> None:
    with deployment(settings, workers=2) as running:
        load, follower = _begun(running, 3), Follower(settings)
        for _ in range(4):
            running.client.delete(f"{settings.redis_prefix}epoch")  # as `rebuild` does
            running.wait_for(running.reader.is_complete, "complete keyspace after `rebuild`")
        load.finish()
        running.settle()
        follower.catch_up(running)
        follower.close()
        assert running.assert_equal().events == load.sent
        entries = [running.client.xrange(f"{settings.redis_prefix}changes:{p}") for p in range(settings.partitions)]
    told = [json.loads(fields[b"json"]) for of_partition in entries for _, fields in of_partition]
    chains = defaultdict(list)
    for change in told:
        chains[change["entity"]].append((change["before"], change["after"]))
    assert len(told) > LEAST / 50
    for entity, chain in chains.items():
        befores, afters = zip(*chain, strict=True)
        assert befores == (1.0, *afters[:-1]), (entity, chain)
    # Whoever subscribed meanwhile heard of each, too.
    assert not twice_or_back(follower.told)
    heard = set(follower.told)
    first = dict(reversed(follower.told))
    versions = {version_of(fields[b"json"]) for of_partition in entries for _, fields in of_partition}
    assert {(entity, ver) for entity, ver in versions if ver >= first.get(entity, 1 << 62)} == heard
