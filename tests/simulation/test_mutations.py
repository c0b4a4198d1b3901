"""The simulation can fail: it finds each of these bugs."""

from __future__ import annotations

import pytest

from .mutations import MUTATIONS, Mutation, is_found


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_schedules_find(mutation: Mutation) -> None:
    assert is_found(mutation), f"{mutation.within} schedules held although {mutation.name}"
