"""The simulation can fail: it finds each of these bugs."""

from __future__ import annotations

import pytest

from .mutations import MUTATIONS, Mutation, mutated
from .schedule import run


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_schedules_find(mutation: Mutation) -> None:
    with mutated(mutation):
        found = any(run(seed).violation for seed in range(mutation.first, mutation.first + mutation.within))
    assert found, f"{mutation.within} schedules held although {mutation.name}"
