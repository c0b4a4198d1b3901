"""What intake makes of events: each factor of `kind * trust * budget * repeat * reciprocity` against numbers found by hand."""

from __future__ import annotations

import json
from itertools import count
from math import e, exp, log
from typing import Any

import pytest
from kafka.partitioner.default import murmur2

from streams.events.engagements import KIND_MASK, KINDS, UNDO_BIT, Engagements, decode, encode
from streams.intake.take import take
from streams.kafka.range import Range
from streams.settings import Settings
from streams.tables.actor_rows import ActorRows
from streams.tables.entity_rows import EntityRows
from streams.tables.fold import fold

DAY_S = 86_400.0
NOW_S = 20_000 * DAY_S  # the beginning of a day, so that hours later is the same active day
FACTORS = ("kind_weight", "trust", "budget", "repeat", "reciprocity", "standing")


class Partition:
    """One partition's intake and scorer, without Kafka: what is taken is folded at once."""

    def __init__(self, **settings: Any) -> None:
        self.settings = Settings(partitions=1, **settings)
        self.actors, self.entities = ActorRows(), EntityRows(self.settings)
        self._offset, self._folded, self._ids = 0, 0, count()

    @property
    def outcomes(self) -> dict[str, int]:
        """Outcomes that happened."""
        return {name: n for name, n in self.actors.inputs().source("events").outcomes.items() if n}

    def send(self, *events: dict[str, Any], broker_s: float | list[float] = NOW_S) -> dict[int, Engagements]:
        """Take events as one range, which the broker took at one time or at one each; return the records for each partition."""
        taken_s = broker_s if isinstance(broker_s, list) else [broker_s] * len(events)
        values = [
            json.dumps({"id": f"e{next(self._ids)}", "at": at_s} | event).encode()
            for event, at_s in zip(events, taken_s, strict=True)
        ]
        offsets, stamps = [*range(self._offset, self._offset + len(values))], [int(at_s * 1000) for at_s in taken_s]
        self._offset += len(values)
        content = Range("events", 0, offsets, stamps, [None] * len(values), [*values], offsets[0])
        taken = take([content], self.actors, self.entities, self.settings)
        for _, record in taken.engagements:
            fold(self.entities, [decode(encode(record))], [self._folded])
            self._folded += 1
        return dict(taken.engagements)

    def factors(self, *events: dict[str, Any], broker_s: float = NOW_S) -> list[dict[str, float]]:
        """Take events as one range; return the factors of each accepted one, in order."""
        (record,) = self.send(*events, broker_s=broker_s).values()
        return [{name: float(getattr(record, name)[i]) for name in FACTORS} for i in range(len(record))]


def event(actor: str, author: str, kind: str = "like", **more: Any) -> dict[str, Any]:
    return {"kind": kind, "actor": actor, "author": author} | more


def near(expected: float) -> Any:
    return pytest.approx(expected, rel=1e-6)  # factors are recorded as float32


@pytest.fixture
def old_log() -> Partition:
    """A partition whose log is old enough to tell fresh accounts from old ones."""
    partition = Partition()
    partition.send(event("first", "first", "tweet"), broker_s=NOW_S - 30 * DAY_S)
    return partition


def test_a_kind_counts_what_the_settings_say():
    partition = Partition(weight_like=0.25, weight_reply=0.5, weight_share=0.75)
    found = partition.factors(*(event(f"fan{kind}", "ben", kind) for kind in ("like", "reply", "share")))
    assert [f["kind_weight"] for f in found] == [0.25, 0.5, 0.75]


def test_a_stranger_counts_in_full_in_a_young_log_and_a_tenth_in_an_old_one():
    partition = Partition()
    found = []
    for day in (0.0, 7.5, 12.0, 15.0, 40.0):
        found += partition.factors(event(f"stranger{day}", "ben"), broker_s=NOW_S + day * DAY_S)
    assert [near(1.0), near(0.5), near(0.2), near(0.1), near(0.1)] == [f["trust"] for f in found]


def test_trust_grows_with_the_age_that_is_told(old_log):
    def told(days: float) -> float:
        return old_log.factors(event(f"a{days}", "ben", actor_since=NOW_S - days * DAY_S))[0]["trust"]

    on_one_day = 1 - exp(-1 / 5)
    assert near(0.1) == told(0.0)
    assert near(0.1 + 0.9 * log(2) * on_one_day) == told(15.0)
    assert near(0.1 + 0.9 * on_one_day) == told(15 * (e - 1))
    assert near(0.1 + 0.9 * on_one_day) == told(4000.0)


def test_an_age_that_is_told_is_believed_in_a_young_log_too():
    assert near(0.1) == Partition().factors(event("fresh", "ben", actor_since=NOW_S))[0]["trust"]


def test_days_are_counted_however_events_are_cut_into_batches():
    at_once, one_by_one = Partition(), Partition()
    taken_s = [NOW_S + days * DAY_S for days in (0, 1, 1.5, 4)]
    at_once.send(*[event("ann", "ben") for _ in taken_s], event("cem", "ben"), broker_s=[*taken_s, NOW_S + 2 * DAY_S])
    for at_s in taken_s:
        one_by_one.send(event("ann", "ben"), broker_s=at_s)
    columns = ["first_seen", "last_day", "active_days"]
    ann, again = (partition.actors.rows[columns][0] for partition in (at_once, one_by_one))
    assert ann == again
    assert ann["active_days"] == 3


def test_trust_grows_with_days_on_which_the_actor_was_active(old_log):
    for day in range(9):
        for hour in (1, 2):
            old_log.send(event("regular", "ben"), broker_s=NOW_S + day * DAY_S + hour * 3600)
    since = NOW_S - 100 * DAY_S
    (found,) = old_log.factors(event("regular", "ben", actor_since=since), broker_s=NOW_S + 9 * DAY_S)
    assert near(0.1 + 0.9 * (1 - exp(-10 / 5))) == found["trust"]


def test_trust_grows_with_the_actors_own_reach():
    partition = Partition()
    partition.send(*(event(f"fan{n}", "known", "share") for n in range(3)))  # trust 1 in a young log: R = 3 * 0.63
    (found,) = partition.factors(event("known", "ben", actor_since=NOW_S - 100 * DAY_S))
    assert near(0.1 + 0.9 * (1 - exp(-3 * 0.63 / 3))) == found["trust"]


def test_who_engages_with_everything_gives_little_with_each():
    partition = Partition()
    found = partition.factors(*(event("busy", f"b{n}") for n in range(100)))
    # The n-th at once is a count of n, which steady traffic of n ln 2 a day would hold.
    assert near(1.0) == found[42]["budget"]
    assert near(30 / (44 * log(2))) == found[43]["budget"]
    assert near(30 / (100 * log(2))) == found[99]["budget"]
    (next_day,) = partition.factors(event("busy", "b0"), broker_s=NOW_S + DAY_S)
    assert near(30 / (51 * log(2))) == next_day["budget"]
    assert near(1.0) == partition.factors(event("calm", "b0"))[0]["budget"]


def test_the_nth_engagement_with_one_target_within_a_day_counts_one_nth():
    partition = Partition()
    found = partition.factors(event("ann", "ben"), event("ann", "ben", "share"), event("ann", "cat"), event("eve", "ben"))
    assert [near(1), near(1 / 2), near(1), near(1)] == [f["repeat"] for f in found]
    assert near(1 / 3) == partition.factors(event("ann", "ben", "reply"), broker_s=NOW_S + DAY_S - 1)[0]["repeat"]
    assert near(1) == partition.factors(event("ann", "ben"), broker_s=NOW_S + DAY_S)[0]["repeat"]
    assert near(1 / 2) == partition.factors(event("ann", "ben"), broker_s=NOW_S + DAY_S + 10)[0]["repeat"]


def test_of_an_actors_targets_the_latest_fifteen_are_remembered():
    partition = Partition()
    partition.send(*(event("ann", f"b{n}", at=NOW_S + n) for n in range(16)), broker_s=NOW_S + 20)
    (forgotten, remembered) = partition.factors(event("ann", "b0"), event("ann", "b1"), broker_s=NOW_S + 30)
    assert (near(1), near(1 / 2)) == (forgotten["repeat"], remembered["repeat"])


@pytest.mark.parametrize(("kind", "expected"), [("like", 0.5), ("share", 0.5), ("reply", 1.0)])
def test_returning_a_favour_counts_half_but_answering_a_reply_does_not(kind, expected):
    partition = Partition()
    partition.send(event("ben", "ann", kind))
    found = partition.factors(event("ann", "ben", "share"), event("ann", "cat"))
    assert [near(expected), near(1)] == [f["reciprocity"] for f in found]


def test_a_favour_long_ago_counts_less():
    partition = Partition()
    partition.send(event("ben", "ann"))
    # 0.26 of a like fades to a sixteenth in four half-lives of 30 d; a favour is whole down to 0.026.
    (found,) = partition.factors(event("ann", "ben"), broker_s=NOW_S + 120 * DAY_S)
    assert near(1 - 0.5 * (0.26 / 16) / 0.026) == found["reciprocity"]


def test_the_actors_standing_is_recorded():
    partition = Partition()
    partition.send(*(event(f"fan{n}", "known", "share") for n in range(3)))
    (known, stranger) = partition.factors(event("known", "ben"), event("stranger", "ben"))
    assert near(5 * log(1 + 3 * 0.63, 2) / 99) == known["standing"]
    assert stranger["standing"] == 0.0


def test_a_post_is_its_own_authors_and_counts_one():
    (record,) = Partition().send(event("ann", "ann", "tweet")).values()
    assert {name: 1.0 for name in FACTORS[:-1]} == {name: float(getattr(record, name)[0]) for name in FACTORS[:-1]}
    assert b"account:ann" == record.names[record.target[0]] == record.names[record.actor[0]]


@pytest.mark.parametrize("together", [True, False])
def test_an_undo_has_the_weight_and_the_time_of_what_it_takes_back(together):
    partition = Partition()
    for _ in range(2):
        partition.send(event("ann", "ben", at=NOW_S), broker_s=NOW_S + 100)  # so that the third is worth a third
    share = event("ann", "ben", "share", id="s", at=NOW_S + 50)
    undo = share | {"undo": True}
    batches = [(share, undo)] if together else [(share,), (undo,)]
    records = [record for batch in batches for record in partition.send(*batch, broker_s=NOW_S + 100).values()]
    weights = [w for record in records for w in record.weight.tolist()]
    assert [near(0.63 / 3)] * 2 == weights
    assert [bool(f & UNDO_BIT) for record in records for f in record.flags.tolist()] == [False, True]
    assert [at for record in records for at in record.at.tolist()] == [NOW_S + 50] * 2
    row = partition.entities.rows[partition.entities.live()[0]]
    assert tuple(row[name] for name in ("posts", "likes", "shares", "replies")) == (0, 2, 0, 0)
    assert near(0.26 * (1 + 1 / 2)) == row["engaged"] * 2 ** (50 / partition.settings.half_life_slow_s)


def test_an_undo_of_what_nobody_remembers_has_no_weight_but_counts():
    partition = Partition()
    like = event("ann", "ben")
    partition.send(like)
    never, twice = event("ann", "ben", "share", undo=True), like | {"undo": True}
    assert [f["kind_weight"] for f in partition.factors(never)] == [0.0]
    assert [near(0.26)] == [f["kind_weight"] for f in partition.factors(twice)]
    assert [f["kind_weight"] for f in partition.factors(twice)] == [0.0]
    row = partition.entities.rows[partition.entities.live()[0]]
    assert (row["likes"], row["shares"]) == (-1, -1)


def test_an_undo_costs_no_budget_and_is_no_repeat():
    partition = Partition()
    partition.send(event("ann", "ben"))
    partition.send(event("ann", "ben", undo=True))
    assert near(1 / 2) == partition.factors(event("ann", "ben"))[0]["repeat"]


def test_engaging_with_oneself_counts_nothing():
    partition = Partition()
    assert partition.send(*(event("ann", "ann", kind) for kind in ("like", "share", "reply"))) == {}
    assert partition.outcomes == {"self": 3}
    assert len(partition.actors) == 0


def test_every_record_has_one_outcome():
    partition = Partition()
    like = event("ann", "ben", id="same")
    partition.send(like, like, event("ann", "ann"), event("ann", "ben", "poke"), event("ann", "ben", at=NOW_S + 99))
    assert partition.outcomes == {"applied": 2, "duplicate": 1, "self": 1, "refused": 1, "clamped": 1}
    assert partition.actors.inputs().source("events").position == 5


def test_a_refused_or_selfish_event_does_not_make_a_later_one_with_its_id_a_duplicate():
    partition = Partition()
    partition.send(event("ann", "ann", id="x"), event("ann", "ben", "poke", id="y"))
    partition.send(event("ann", "ben", id="x"), event("ann", "ben", id="y"))
    assert partition.outcomes == {"self": 1, "refused": 1, "applied": 2}


def test_a_time_beyond_the_brokers_is_the_brokers():
    (record,) = Partition().send(event("ann", "ben", at=NOW_S + 99), event("ann", "cat", at=NOW_S - 99)).values()
    assert record.at.tolist() == [NOW_S, NOW_S - 99]


def targets_of(records: dict[int, Engagements]) -> list[tuple[int, str, str]]:
    """Return (partition, entity, kind) of all engagements."""
    return [
        (p, bytes(record.names[t]).decode(), KINDS[f & KIND_MASK])
        for p, record in records.items()
        for t, f in zip(record.target.tolist(), record.flags.tolist(), strict=True)
    ]


def test_a_tagged_event_is_for_the_author_each_topic_and_the_author_within_it():
    records = Partition(max_tags=2).send(event("ann", "b@en", "share", tags=["a i", "a i", "x%", "more"]))
    found = targets_of(records)
    expected = ["account:b%40en", "topic:a i", "account:b%40en@topic:a i", "topic:x%25", "account:b%40en@topic:x%25"]
    assert sorted((0, name, "share") for name in expected) == sorted(found)
    (record,) = records.values()
    assert {0} == set(record.offsets.tolist())
    assert {b"account:ann"} == {bytes(record.names[a]) for a in record.actor.tolist()}


def test_topics_can_be_turned_off():
    assert targets_of(Partition(topics_enabled=False).send(event("ann", "ben", tags=["ai"]))) == [(0, "account:ben", "like")]
    assert targets_of(Partition(max_tags=0).send(event("ann", "ben", tags=["ai"]))) == [(0, "account:ben", "like")]


def test_an_entity_is_placed_as_kafka_places_its_account_or_its_name():
    settings = Settings(partitions=7)
    partition = Partition()
    partition.settings = settings
    authors = ["ben", "did:plc:abc", "us@er", "100%", "🦀"]
    found = targets_of(partition.send(*(event("ann", author, tags=["a@i"]) for author in authors)))
    homes = {
        f"account:{name}": author for name, author in zip(["ben", "did:plc:abc", "us%40er", "100%25", "🦀"], authors, strict=True)
    }
    homes |= {f"{account}@topic:a%40i": author for account, author in homes.items()}
    homes["topic:a%40i"] = "topic:a%40i"
    assert {(home(raw.encode(), 7), name) for name, raw in homes.items()} == {(p, name) for p, name, _ in found}
    assert {name for _, name, _ in found} == set(homes)


def home(key: bytes, partitions: int) -> int:
    """Return where Kafka's default partitioner puts a key."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions


def ranges(*parts: list[dict[str, Any]], first: int = 0) -> list[Range]:
    """Return a range for each partition, from 0 up, with these events."""
    return [
        Range(
            "events", p, [*range(first, first + len(part))], [int(NOW_S * 1000)] * len(part), [None] * len(part),
            [json.dumps({"id": f"{p}.{first}.{i}", "at": NOW_S} | event).encode() for i, event in enumerate(part)], first,
        )
        for p, part in enumerate(parts)
    ]  # fmt: skip


def test_ranges_of_several_partitions_give_together_what_each_gives_alone():
    settings = Settings(partitions=3)
    like, again = event("ann", "ben", tags=["x"]), event("ann", "ben", id="again")
    parts = [[like, again, again], [event("ann", "cat"), event("ben", "ann", "poke")], [event("cat", "cat"), event("dan", "ben")]]
    together = ActorRows()
    taken = [take(ranges(*parts, first=first), together, EntityRows(settings), settings) for first in (0, 10)]
    for p, alone in enumerate(ActorRows() for _ in parts):
        one_by_one = [take([ranges(*parts, first=first)[p]], alone, EntityRows(settings), settings) for first in (0, 10)]
        for all_of_them, single in zip(taken, one_by_one, strict=True):
            mine = [(q, encode(record)) for q, record in all_of_them.engagements if record.source_partition == p]
            assert mine == [(q, encode(record)) for q, record in single.engagements]
            letters = [(c.partition, c.offsets[r.index], r.reason) for c, r in all_of_them.refused if c.partition == p]
            assert letters == [(c.partition, c.offsets[r.index], r.reason) for c, r in single.refused]
        assert together.inputs(p).counts() == alone.inputs(p).counts()
        mine, theirs = together.live_of(p), alone.live_of(p)
        assert sorted(together.names.get(mine)) == sorted(alone.names.get(theirs))
    together.drop(0)
    assert {b"account:ann"} <= set(together.names.get(together.live_of(1)))
    assert len(together.live_of(0)) == 0
    assert together.inputs(0).counts() == {}
