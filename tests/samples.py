"""Where real messages and data sets lie, for the tests that read them: beside the repository, never in it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

FOLDER = Path(os.environ.get("TEST_SAMPLES", Path(__file__).parents[2] / "shared" / "data"))


def path(name: str) -> Path:
    """Return the path of a sample; the test that asks for one that isn't there is skipped."""
    found = FOLDER / name
    if not found.exists():
        pytest.skip(f"no sample {name} in {FOLDER}; set TEST_SAMPLES to the folder that has it")
    return found


def lines(name: str) -> list[bytes]:
    """Return the lines of a sample."""
    return path(name).read_bytes().splitlines()
