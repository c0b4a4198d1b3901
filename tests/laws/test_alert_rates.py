"""How often an alert is false and how many bursts are found, on a small network; `benchmarks/alerts.py` measures a larger one."""

from __future__ import annotations

from benchmarks.alerts import simulated


def test_steady_traffic_by_day_and_night_alarms_nobody_from_the_first_hour_on() -> None:
    found = simulated(250, 3.0, 0.0, seed=1)
    assert found.events > 10_000
    assert found.false_alarms == 0


def test_bursts_are_found_and_nothing_else() -> None:
    found = simulated(450, 3.5, 40.0, seed=2)
    assert found.bursts >= 6
    assert len(found.delays_s) / found.bursts > 0.9
    assert found.false_alarms <= 1  # of 1,575 account-days
