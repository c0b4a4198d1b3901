"""The attacks of the model's table on a real worker: none buys more than it says, and a smear costs its victim nothing."""

from __future__ import annotations

import harness
import pytest

from benchmarks.attack_acts import ATTACKS
from benchmarks.attack_gains import Found, play
from benchmarks.attacks import figures
from streams.reader.scale import POINTS_PER_UNIT
from streams.settings import Settings

TARGETS = 2
SIGMAS = 4.5  # one gain in 150,000 is further off than so many standard deviations
# R, G and A are published with four decimals, and before and after differ: by 5/ln 2 points for each of R and G, 1 for A.
ROUNDING_POINTS = 2 * 5e-5 * (2 * POINTS_PER_UNIT + 1)


def test_no_attack_buys_more_points_than_the_model_says(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    with harness.deployment(settings, workers=1) as running:
        found = play(settings, running.client, running.settle, TARGETS)
        assert running.stats()["applied"] == found.events
        running.assert_equal()
    with capsys.disabled():
        print("\n", *figures(found, TARGETS), sep="\n")

    assert {attack.name for attack in ATTACKS} == set(found.gains)
    assert all(len(gains) == TARGETS for gains in found.gains.values())
    assert bought_more(found) == []
    assert published_otherwise(found) == []
    assert [s for s in found.smeared if s.after < s.without - ROUNDING_POINTS] == []
    assert len(found.smeared) == 2 * TARGETS


def bought_more(found: Found) -> list[str]:
    """Say which attacks bought more than the table has, to its last decimal, or nothing at all: then they didn't take place."""
    half_a_unit = {False: 0.005, True: 0.05}
    return [
        f"{attack.name}: {gain.counted} points, expected up to {attack.most}"
        for attack in ATTACKS
        for gain in found.gains[attack.name]
        if not 0 < gain.counted <= attack.most + half_a_unit[attack.is_weak]
    ]


def published_otherwise(found: Found) -> list[str]:
    """Say what was published that differs by more than sketches do from what each person counted for itself gives."""
    return [
        f"{name}: {gain}"
        for name, gains in found.gains.items()
        for gain in gains
        if abs(gain.published - gain.counted) > SIGMAS * gain.sampling_error + ROUNDING_POINTS
    ]
