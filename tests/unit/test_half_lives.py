"""Rows of other half-lives are refused before anything is made of them; who wrote them says so in the marker."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from streams.errors import ConfigurationError
from streams.settings import Settings
from streams.tables.entity_rows import EntityRows
from streams.tables.half_lives import HalfLives
from streams.tables.marker import MARKER_KEY, Marker
from streams.tables.states import EntityState

SETTINGS = Settings()
OTHERS = [
    ("half_life_slow_s", 86400.0, "2592000.0"),
    ("half_life_day_s", 43200.0, "86400.0"),
    ("half_life_fast_s", 600.0, "7200.0"),
]
# As a release wrote it that doesn't know them.
EARLIER = bytes.fromhex(
    "01000200000000002900000000000000000008f05c48da4106000300000007000000000000006576656e7473020000000000ffffffffffffffffc3a9"
)
SAID = Marker(41, {("events", 3): 7, ("é", 0): -1}, 1763800000.125)


def recovered(settings: Settings, *values: bytes) -> Marker:
    """Return what a worker knows that recovered markers."""
    state = EntityState(EntityRows(settings), 0)
    state.load([MARKER_KEY] * len(values), list(values))
    return state.log


def written(settings: Settings) -> bytes:
    """Return the marker that a worker writes."""
    return EntityRows(settings).log(0).copy().encode()


def test_a_worker_says_by_which_half_lives_it_writes() -> None:
    assert Marker.decode(written(SETTINGS)).half_lives == HalfLives(2592000.0, 86400.0, 7200.0)


def test_those_of_the_marker_are_no_reason_to_end() -> None:
    assert recovered(SETTINGS, written(SETTINGS), written(replace(SETTINGS, network_weight=2.0))).folded == -1


@pytest.mark.parametrize(("name", "value", "before"), OTHERS)
def test_others_are_refused_by_name_with_both_values_and_what_to_do(name: str, value: float, before: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        recovered(replace(SETTINGS, **{name: value}), EARLIER, written(SETTINGS), EARLIER)  # type: ignore[arg-type]  # floats
    assert str(refused.value) == (
        f"CLOUTSTREAM_{name.upper()} is {value!r}; expected {before}, by which the rows in the table were written: set it back, "
        "or count again with a new CLOUTSTREAM_APP_ID and a new CLOUTSTREAM_REDIS_PREFIX"
    )
    assert refused.value.exit_code == 78


def test_all_that_differ_are_named() -> None:
    with pytest.raises(ConfigurationError, match=r"SLOW_S is 10\.0.*DAY_S is 20\.0.*FAST_S is 30\.0"):
        HalfLives(10.0, 20.0, 30.0).check(HalfLives.of(SETTINGS))


def test_what_another_worker_wrote_between_ours_is_refused_too() -> None:
    with pytest.raises(ConfigurationError, match="FAST_S"):
        EntityState(EntityRows(SETTINGS), 0).load_foreign([MARKER_KEY], [written(replace(SETTINGS, half_life_fast_s=600.0))])


def test_an_earlier_release_s_marker_is_read_and_taken_as_of_those_in_force() -> None:
    assert Marker.decode(EARLIER) == SAID
    log = recovered(replace(SETTINGS, half_life_slow_s=86400.0), EARLIER)
    assert log == replace(SAID, half_lives=HalfLives(86400.0, 86400.0, 7200.0))


def test_an_earlier_release_finds_all_it_knows_where_it_was() -> None:
    value = replace(SAID, half_lives=HalfLives.of(SETTINGS)).encode()
    assert value.startswith(EARLIER)  # it reads as many sources as there are, and no further
    assert len(value) == len(EARLIER) + 24


@pytest.mark.parametrize(
    ("error", "code"), [("ConfigurationError('x')", 78), ("DurabilityError('x')", 70), ("ValueError('x')", 70)]
)
def test_a_process_that_can_t_go_on_says_why_by_its_exit_code(error: str, code: int) -> None:
    program = f"from streams.errors import *; from streams.fatal import fatal; fatal('loading failed', {error})"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
    assert ended.returncode == code
    assert ended.stderr.startswith(f"loading failed: {error}")
