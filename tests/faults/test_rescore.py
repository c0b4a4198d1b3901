"""A worker whose formula is another one publishes nothing of it unless it is allowed to; then everything, once."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest
from harness import Deployment, deployment
from load import like, lively_events, send

from streams.cli import main
from streams.settings import Settings
from streams.shadow import compare, with_settings
from streams.verify.table import read_tables

ACCOUNTS = 40
EVENTS = 2 * ACCOUNTS * (ACCOUNTS - 1)
CHANGED = ["network_weight=1000"]  # everybody is engaged with by people of standing


def _board(running: Deployment) -> dict[bytes, float]:
    found: Any = running.client.zrange(f"{running.settings.redis_prefix}board:all:standing", 0, -1, withscores=True)
    return dict(found)


def _run_once(settings: Settings) -> None:
    with deployment(settings, workers=1) as running:
        # Everybody likes everybody, twice: the second time they are somebody.
        pairs = [*permutations(range(ACCOUNTS), 2)]
        at_s = time.time() - 3_600
        for first in (0, len(pairs)):
            send(settings, [like(i, f"p{actor}", f"p{author}", at_s) for i, (actor, author) in enumerate(pairs, first)])
            running.settle()
        running.stop(running.workers[0])


def test_a_formula_that_moves_too_many_is_refused_and_when_accepted_published_whole(
    settings: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(settings, topics_enabled=False)
    _run_once(settings)
    other = with_settings(settings, CHANGED)
    shadow = compare(read_tables(settings).values(), settings, other)
    assert shadow.is_breaking

    for name, value in settings.to_environ().items():
        monkeypatch.setenv(name, value)
    assert main(["shadow", *(word for change in CHANGED for word in ("--set", change)), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["is_breaking"] is True
    assert said["entities"] == len(shadow.names)

    with deployment(other) as running:
        before = _board(running)
        worker = running.start()
        assert worker.wait(30) == 70
        assert "CLOUTSTREAM_RESCORE=accept" in worker.log()
        assert _board(running) == before
        running.workers.remove(worker)
        worker.close()

    with deployment(replace(other, rescore="accept")) as running:
        running.start()
        wanted = {
            name.decode(): score
            for name, score in zip(shadow.names, shadow.after.tolist(), strict=True)
            if b"@" not in name and name.startswith(b"account:")
        }

        def is_published() -> bool:
            shown = {name: running.client.hget(f"{settings.redis_prefix}score:{name}", "score") for name in list(wanted)[:50]}
            return all(score is not None and abs(float(score) - wanted[name]) < 1e-3 for name, score in shown.items())

        running.wait_for(is_published, "scores of the new formula")
        running.wait_for(running.reader.is_complete, "Redis complete")
        assert _board(running) != before
        send(settings, lively_events(500, 22, time.time() - 60))
        running.settle()
        assert running.assert_equal().events == EVENTS + 500
        log = running.workers[0].log()
        assert "all are published anew" in log
        # It is the formula in force now: the next start has nothing to say.
        running.stop(running.workers[0])
        running.start()
        running.settle()
        assert "published anew" not in running.workers[0].log()
