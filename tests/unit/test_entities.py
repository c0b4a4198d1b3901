import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams import entities
from streams.entities import Entity, account, board_scope, encode_id, parse, topic

IDS = st.text(min_size=1, max_size=256)
AWKWARD = ["user@host", "did:plc:abc", "a%40b", "{slot}", "100%", "a b", "🔥", "عربى", "@", ":", "%", "account:x@topic:y"]


def test_examples_in_the_docstrings_hold() -> None:
    result = doctest.testmod(entities)
    assert result.attempted > 0
    assert result.failed == 0


@pytest.mark.parametrize("raw_id", AWKWARD)
def test_awkward_ids_come_back_as_they_went_in(raw_id: str) -> None:
    assert parse(account(raw_id)) == Entity("account", raw_id, None)


@given(IDS)
def test_any_id_comes_back_as_it_went_in(raw_id: str) -> None:
    assert parse(account(raw_id)) == Entity("account", raw_id, None)
    assert parse(topic(raw_id)) == Entity("topic", raw_id, None)


@given(IDS, IDS)
def test_any_account_inside_any_topic_comes_back(raw_id: str, tag: str) -> None:
    entity = parse(f"{account(raw_id)}@{topic(tag)}")
    assert entity == Entity("account", raw_id, topic(tag))
    assert parse(topic(tag)).id == tag


@given(IDS)
def test_an_encoded_id_can_neither_leave_its_place_nor_choose_a_cluster_slot(raw_id: str) -> None:
    assert not set("@{}") & set(encode_id(raw_id))


@given(IDS, IDS)
def test_different_ids_have_different_names(one: str, other: str) -> None:
    assert (one == other) == (encode_id(one) == encode_id(other))


@pytest.mark.parametrize("name", ["", "alice", ":x", "user:alice", "Account:alice", "account", "@topic:x"])
def test_what_is_no_entity_name_is_refused_with_what_is(name: str) -> None:
    with pytest.raises(ValueError, match="expected account:ID, topic:TAG or campaign:ID"):
        parse(name)


@pytest.mark.parametrize(
    ("name", "scope"),
    [
        ("account:alice", "all"),
        ("topic:ai", "topics"),
        ("campaign:spring", "campaigns"),
        ("account:alice@topic:ai", "topic:ai"),
        ("account:alice@campaign:a%40b", "campaign:a%40b"),
    ],
)
def test_each_entity_stands_on_the_board_of_its_scope(name: str, scope: str) -> None:
    assert board_scope(parse(name)) == scope
