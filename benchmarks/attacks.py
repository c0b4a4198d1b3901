"""What an attack buys: the attacks of `model.md` 7 through broker, worker and Redis, and the points that their targets gain.

`points` is the mean over the targets of what was published, `points_counted` the mean of the same weights with each person
counted: beyond 32 people reach is estimated, and `sampling_error` is one standard deviation of a single target's `points`.
`most_points` is what the model says that it may be, `reach` what a target has without it. Of rivals that fakes were aimed at,
`least_gain` is the least of all.
"""

from __future__ import annotations

from collections.abc import Iterator
from statistics import fmean

from benchmarks.attack_acts import ATTACKS
from benchmarks.attack_gains import Found, play
from benchmarks.run import Deadline, Figures, Run, say
from benchmarks.servers import servers
from streams.errors import CloutstreamError
from streams.reader import Reader
from streams.replay.waiting import wait_until_published
from streams.worker_process import worker_process

TARGETS, QUICK_TARGETS = 16, 2
LIMIT_S = 600.0


def measure(run: Run) -> Iterator[Figures]:
    """Measure every attack."""
    targets = QUICK_TARGETS if run.is_quick else TARGETS
    say(f"each attack on {targets} targets")
    yield from figures(_played(targets), targets)


def figures(found: Found, targets: int) -> Iterator[Figures]:
    """Yield what is printed of attacks that were played on so many targets each."""
    for attack in ATTACKS:
        gains = found.gains[attack.name]
        yield {
            "name": "attack",
            "attack": attack.name,
            "targets": targets,
            "is_weak_spot": attack.is_weak,
            "reach": fmean(gain.reach for gain in gains),
            "points": fmean(gain.published for gain in gains),
            "points_counted": fmean(gain.counted for gain in gains),
            "sampling_error": fmean(gain.sampling_error for gain in gains),
            "most_points": attack.most,
        }
    least = min(smeared.after - smeared.without for smeared in found.smeared)
    yield {"name": "attack_smear", "rivals": len(found.smeared), "least_gain": least}


def _played(targets: int) -> Found:
    deadline = Deadline(LIMIT_S, "playing the attacks")
    with servers(clock="wall") as at, worker_process(at.settings) as worker:

        def look(_: object) -> None:
            worker.check()
            deadline.check()

        found = play(at.settings, at.client, lambda: wait_until_published(at.settings, at.client, on_progress=look), targets)
        outcomes = Reader(at.settings, at.client).stats().outcomes
    if outcomes["applied"] != found.events:
        raise CloutstreamError(f"{outcomes['applied']} of {found.events} events were applied: {outcomes}; expected all")
    return found
