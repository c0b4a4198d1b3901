"""Redis down, wiped, slow, full, read-only. Workers go on, and it is equal soon after."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing

from load import Load, like
from looking import watching_boards
from redis import Redis
from services.redis_server import RedisServer
from services.slow import SlowPath

from chaos.row import Row
from chaos.stage import Scene, Stage

RATE, LEAST = 2_000.0, 20_000
LAG_S, BACK_S, REBUILT_S = 5.0, 10.0, 30.0
SLOW_S = 0.2


def _away(
    stage: Stage, row: Row, scene: Scene, seconds: float, begin: Callable[[], object], heal: Callable[[], object],
    felt: Callable[[Scene], None],
) -> None:  # fmt: skip
    """Let Redis be away for some time under load, twice or more; the last time nothing comes after it that could cover a loss."""
    rounds = stage.pick(3, 2)
    scene.begin(LEAST, RATE)
    for number in range(rounds):
        begin()
        scene.running.pass_time(seconds)
        row.at_most("lag while it lasted, s", scene.watch.longest_lag_s, LAG_S, is_speed=True)
        felt(scene)
        if number == rounds - 1:
            scene.end_load()
            scene.running.wait_until_committed(*scene.settings.topic_names, scene.settings.engagements_topic)
        heal()
        row.at_most("all published after it, s", scene.until_published(time.monotonic()), BACK_S, is_speed=True)
        row.rounds += 1
    scene.end()
    row.at_most("workers that ended by themselves", len(scene.running.ended_by_itself), 0)


def _felt_away(scene: Scene) -> None:
    """The worker says that Redis doesn't take what it publishes."""
    (worker,) = scene.running.workers
    scene.row.at_most("Redis up, as the worker says", worker.metrics()["cloutstream_redis_up"], 0)


def _felt_slow(scene: Scene) -> None:
    """Redis answers as late as it should."""
    with closing(Redis.from_url(scene.settings.redis)) as client:
        client.ping()  # connects
        begun_s = time.monotonic()
        client.ping()
        scene.row.at_least("an answer of Redis, s", time.monotonic() - begun_s, SLOW_S)


def down(stage: Stage, row: Row) -> None:
    """Redis down, with nothing remembered when it is back."""
    with stage.scene(row) as scene:
        _away(stage, row, scene, stage.pick(60, 8), scene.server.stop, scene.server.start, _felt_away)


def full(stage: Stage, row: Row) -> None:
    """Redis out of memory, which refuses all writes."""
    with stage.scene(row) as scene:
        client = scene.running.client
        _away(
            stage, row, scene, stage.pick(30, 6),
            lambda: client.config_set("maxmemory", "1mb"), lambda: client.config_set("maxmemory", "0"), _felt_away,
        )  # fmt: skip


def read_only(stage: Stage, row: Row) -> None:
    """Redis made a replica of nothing, which refuses all writes."""
    with stage.scene(row) as scene:
        client = scene.running.client
        _away(
            stage, row, scene, stage.pick(30, 6),
            lambda: client.replicaof("127.0.0.1", 1), lambda: client.replicaof("NO", "ONE"), _felt_away,
        )  # fmt: skip


def slow(stage: Stage, row: Row) -> None:
    """Redis 200 ms away."""
    with RedisServer() as server, closing(SlowPath(server.port)) as path, stage.scene(row, redis=path.url) as scene:

        def set_delay(delay_s: float) -> None:
            path.delay_s = delay_s

        _away(stage, row, scene, stage.pick(60, 8), lambda: set_delay(SLOW_S), lambda: set_delay(0.0), _felt_slow)


def wiped(stage: Stage, row: Row) -> None:
    """Redis wiped under load: 100,000 entities are written again, and no reader sees a board in the making."""
    accounts = stage.pick(100_000, 20_000)
    rounds = stage.pick(3, 1)
    start_s = time.time() - 3_600
    events = [like(n, f"fan{n % 997}", f"author{n % accounts}", start_s + n / 1000) for n in range(accounts * (rounds + 1))]
    with stage.scene(row) as scene:
        for _ in range(2):
            scene.running.start()
        scene.send(events[:accounts])
        scene.settle()
        scene.load = Load(scene.settings, events[accounts:], 1_000.0, patient=True)  # of accounts that have places already
        scene.watch.begin()
        with watching_boards(scene.settings) as seen:
            for _ in range(rounds):
                wiped_s = time.monotonic()
                scene.running.client.flushall()
                row.at_most("rebuilt, s", scene.until_published(wiped_s), REBUILT_S, is_speed=True)
                row.rounds += 1
        row.at_most(
            "half-built boards seen",
            sum(n for places, n in seen.items() if places not in {(1, accounts, accounts), (0, 0, 0)}),
            0,
        )
        row.at_least("looks that found no boards, and said so", seen[0, 0, 0], 1)
        row.at_most("lag while it lasted, s", scene.watch.longest_lag_s, LAG_S, is_speed=True)
        scene.end()
