"""Ids in reasons, whatever else stands beside them."""

from __future__ import annotations

import numpy as np
import orjson
import pytest

from streams.columns.texts import Texts
from streams.entities import account
from streams.tables.statement_texts import arrays, ids_json

PLAIN = ["ann", "a-b.c:d"]


@pytest.mark.parametrize("others", [[], ["ann@host"], ['"q"\\'], ["مرحبا"], ["100%"]])
def test_ids_come_back_whatever_somebody_else_is_called(others: list[str]) -> None:
    ids = PLAIN + others
    names = Texts.of([account(id).encode() for id in ids])
    assert [orjson.loads(text) for text in ids_json(names)] == ids


def test_each_array_has_its_items_of_both_lists_in_order() -> None:
    first, second = (np.array([0, 0, 2]), ["1", "2", "5"]), (np.array([0, 3]), ["3", "7"])
    assert arrays(4, first, second) == ["[1,2,3]", "[]", "[5]", "[7]"]
