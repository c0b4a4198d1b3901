"""What must hold whatever happens, each under its number in the design; 1 is in test_kill.py and 3 in test_redis.py.

One run with kills is shared: what was published meanwhile is noted, and after each kill, with nobody running, what was
committed is compared with what is there.
"""

from __future__ import annotations

import json
import random
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

import numpy as np
import pytest
import services
from durable import unacknowledged
from harness import Deployment, deployment
from load import Load, Record, lively_events, send
from looking import Follower, integers, twice_or_back, version_of

from streams.columns.hashing import hash_names
from streams.events.engagements import Engagements, decode
from streams.intake.take import take
from streams.kafka.range import Range
from streams.kafka.topics import read_topic
from streams.settings import Settings
from streams.tables.actor_rows import ActorRows
from streams.tables.entity_rows import COUNTS, EntityRows
from streams.tables.fold import fold
from streams.verify.event import parse
from streams.verify.report import Report
from streams.verify.table import read_tables

EVENTS, RATE, KILLS, SEED = 30_000, 330.0, 4, 8
DAY_S = 86_400.0


@dataclass
class Aftermath:
    """What is left of the run."""

    running: Deployment
    report: Report
    follower: Follower
    passed: list[str] = field(default_factory=list)  # what was committed though it isn't there
    commits_seen: int = 0


@pytest.fixture(scope="module")
def aftermath(cluster: services.Kafka, redis_url: str) -> Iterator[Aftermath]:
    """A run over events good and bad in which the worker is killed over and over."""
    settings = Settings(
        kafka=cluster.address, replication=cluster.replication, redis=redis_url, app_id="invariants",
        input_topics="invariants-events", redis_prefix="invariants:", partitions=4, session_timeout_s=6.0,
    )  # fmt: skip
    chance = random.Random(SEED)
    events = _with_noise(lively_events(EVENTS, SEED, time.time() - DAY_S), chance)
    passed: list[str] = []
    commits = 0
    with deployment(settings) as running, closing(Follower(settings)) as follower:
        send(settings, events[: EVENTS // 3])  # a backlog first: the worker is killed while draining, then while live
        load: Load | None = None
        for kill in range(KILLS):
            worker = running.start()
            before = running.position()
            running.wait_for(lambda before=before: running.position() > before, "progress of a new worker")
            load = load or Load(settings, events[EVENTS // 3 :], RATE)
            time.sleep(chance.uniform(0.05, 1.2))
            running.kill(worker)
            assert not load.is_done, "nothing flowed when the worker was killed"
            committed = running.committed()  # first: what is there afterwards can only be more
            commits += sum(committed.values())
            passed += [f"kill {kill}: {what}" for what in unacknowledged(running, committed)]
        assert load is not None
        load.finish()
        running.start()
        running.settle()
        report = running.assert_equal()
        follower.catch_up(running)
        yield Aftermath(running, report, follower, passed, commits)


def _with_noise(events: Sequence[Record], chance: random.Random) -> list[Record]:
    """Return the events with bytes of any kind in between: random ones, mutilated events, null."""
    noisy: list[Record] = []
    for record in events:
        noisy.append(record)
        if chance.random() < 0.02 and record.value:
            at, bit = chance.randrange(len(record.value)), 1 << chance.randrange(8)
            flipped = record.value[:at] + bytes([record.value[at] ^ bit]) + record.value[at + 1 :]
            noisy.append(Record(record.key, chance.choice([None, chance.randbytes(30), record.value[:at], flipped])))
    return noisy


def test_invariant_2_decayed_counters_equal_a_recount_of_the_engagements_in_any_order(aftermath: Aftermath) -> None:
    # The report compared them in the order they came; here the same engagements are folded in another, one by one.
    settings = aftermath.running.settings
    assert aftermath.report.compared["decayed"] > 0
    p = 1  # one will do: it is slow
    single: dict[int, Engagements] = {}
    for record in read_topic(settings, settings.engagements_topic, [p]):
        for event in _one_by_one(decode(record.value or b"")):
            single.setdefault(event.source_partition << 40 | event.base_offset, event)  # the first occurrence
    shuffled = list(single.values())
    random.Random(SEED).shuffle(shuffled)
    # A fold takes an event whose offset rises, so they are numbered anew.
    for number, event in enumerate(shuffled):
        event.source_partition, event.base_offset = 0, number
    again = EntityRows(settings)
    fold(again, shuffled, range(len(shuffled)))
    found = read_tables(settings)[p]
    rows = again.find(*hash_names(found.names))
    assert len(again) == len(found.names) > 100
    assert (rows >= 0).all()
    expected = again.rows[rows]
    for name in COUNTS:
        np.testing.assert_array_equal(expected[name], found.rows[name])
    # Where an undo leaves a difference of equals, relative to what was added.
    added = 1.0 + sum(np.abs(found.rows[name]) for name in COUNTS)
    for name in ("engaged", "made", "fast", "day"):
        off_by = np.abs(expected[name] - found.rows[name])
        assert (off_by <= 1e-9 * np.abs(found.rows[name]) + 1e-13 * added).all(), name


def _one_by_one(packed: Engagements) -> Iterator[Engagements]:
    """Yield the engagements of each event as a record of its own."""
    for e in np.unique(packed.offsets).tolist():
        of = np.flatnonzero(packed.offsets == e)
        columns = {
            name: getattr(packed, name)[of]
            for name in ("at", "target", "actor", "kind_weight", "trust", "budget", "repeat", "reciprocity", "standing", "flags")
        }
        yield replace(packed, base_offset=e, e=np.zeros(len(of), dtype=np.uint32), **columns)


class Partition:
    """One partition's intake and scorer without Kafka, for what must hold after every single event."""

    def __init__(self) -> None:
        self.settings = Settings(partitions=1)
        self.actors, self.entities = ActorRows(), EntityRows(self.settings)
        self._offsets = count()

    def send(self, kind: str, actor: str, author: str, at_s: float, **more: Any) -> None:
        """Take and fold one event, at broker time `at_s`."""
        offset = next(self._offsets)
        event = {"id": f"e{offset}", "kind": kind, "actor": actor, "author": author, "at": at_s} | more
        value = json.dumps(event).encode()
        content = Range("events", 0, [offset], [int(at_s * 1000)], [None], [value], offset)
        taken = take([content], self.actors, self.entities, self.settings)
        fold(self.entities, [record for _, record in taken.engagements], [offset] * len(taken.engagements))

    def reach(self, account: str) -> float:
        """Return R of an account at the time of its latest event."""
        (row,) = self.entities.find(*hash_names([f"account:{account}".encode()]))
        return float(self.entities.rows["reach"][row]) if row >= 0 else 0.0

    def scores(self, at_s: float) -> dict[bytes, float]:
        """Return everybody's score as a reader sees it at `at_s`."""
        rows = self.entities.live()
        state = self.entities.rows[rows]
        reach, network, amplification = self.entities.standing_inputs(rows, np.full(len(rows), at_s))
        assert (state["at"] <= at_s).all()
        points = 1 + 5 * np.log2(1 + (reach + network) * np.exp2(amplification / 5))
        return dict(zip(self.entities.names.get(rows), points.tolist(), strict=True))


def test_invariant_4_one_person_counts_at_most_one_and_a_fresh_account_at_most_a_tenth() -> None:
    now_s, chance = 20_000 * DAY_S, random.Random(4)
    partition = Partition()
    for n in range(1_000):  # in a log so young that everybody is trusted
        kind = chance.choice(["like", "share", "reply"])
        partition.send(kind, "fan", "star", now_s + n * chance.choice([0.0, 60.0, 3_600.0]))
        assert partition.reach("star") <= 1.0
    assert partition.reach("star") > 0.5

    for told in ({"actor_since": now_s}, {}):
        partition = Partition()
        partition.send("tweet", "old", "old", now_s - 30 * DAY_S)  # the log is old enough to tell
        for n in range(300):
            partition.send(chance.choice(["like", "share", "reply"]), "fake", "star", now_s + n / 1000, **told)
        assert 0.0 < partition.reach("star") <= 0.1 + 1e-6


def test_invariant_5_no_engagement_lowers_anybodys_score() -> None:
    chance = random.Random(5)
    now_s, partition = 20_000 * DAY_S, Partition()
    later_s = now_s + 2 * DAY_S
    before: dict[bytes, float] = {}
    rose = 0
    for n in range(1_500):
        author = f"author{chance.randrange(4)}"
        if chance.random() < 0.05:
            partition.send("tweet", author, author, now_s + n)  # posting is no engagement: it may lower its author's
            before = partition.scores(later_s)
            continue
        at_s = now_s + n - chance.choice([0, 0, 600, 40 * DAY_S])  # some come late
        actor = chance.choice([f"person{chance.randrange(120)}", f"author{chance.randrange(4)}"])
        partition.send(chance.choice(["like", "share", "reply"]), actor, author, at_s, tags=["t"] if n % 3 else [])
        after = partition.scores(later_s)
        lowered = {name: (score, after[name]) for name, score in before.items() if after[name] < score - 1e-9}
        assert not lowered
        rose += any(after[name] > score for name, score in before.items())
        before = after
    assert rose > 500
    assert (partition.entities.sketch_of[partition.entities.live()] > 0).any(), "nobody had more than 32 people"


def test_invariant_6_nothing_is_committed_past_a_record_whose_effects_are_not_acknowledged(aftermath: Aftermath) -> None:
    assert aftermath.commits_seen > 0
    assert aftermath.passed == []


def test_invariant_7_any_bytes_are_a_fold_or_one_dead_letter_with_reason_and_coordinates(aftermath: Aftermath) -> None:
    settings, (worker,) = aftermath.running.settings, aftermath.running.workers
    worker.check()
    letters: dict[tuple[str, int, int], set[tuple[bytes, str]]] = defaultdict(set)
    for record in read_topic(settings, settings.dead_letters_topic):
        headers = {name: value.decode() for name, value in record.headers}
        coordinates = headers["topic"], int(headers["partition"]), int(headers["offset"])
        assert "{}[{}]@{}".format(*coordinates).encode() == record.key
        letters[coordinates].add((record.value or b"", headers["reason"]))
    topic = settings.topic_names[0]
    refused = {(topic, r.partition, r.offset): r.value or b"" for r in read_topic(settings, topic) if parse(r.value) is None}
    assert set(refused) == set(letters)
    for coordinates, said in letters.items():
        ((value, reason),) = said  # written again after a crash, it is the same letter
        assert refused[coordinates] == value
        assert reason
    outcomes = aftermath.report.outcomes["published"]
    assert outcomes["refused"] == len(letters) > 100
    assert aftermath.report.events == sum(outcomes[name] for name in ("applied", "self", "duplicate", "refused"))


def test_invariant_8_nobody_sees_a_version_twice_or_going_back(aftermath: Aftermath) -> None:
    settings, client = aftermath.running.settings, aftermath.running.client
    streams = [client.xrange(f"{settings.redis_prefix}changes:{p}") for p in range(settings.partitions)]
    for entries in streams:
        assert twice_or_back([version_of(fields[b"json"]) for _, fields in entries]) == []
        ids = [int(identity.partition(b"-")[0]) for identity, _ in entries]
        assert ids == sorted(set(ids))
    assert twice_or_back(aftermath.follower.told) == []
    kept = {version_of(fields[b"json"]) for entries in streams for _, fields in entries}
    assert set(aftermath.follower.told) == kept
    assert len(kept) > 1000


def test_invariant_8_a_replay_of_the_log_from_nothing_gives_the_same_integers(aftermath: Aftermath) -> None:
    first = aftermath.running.settings
    anew = replace(first, app_id="invariants-again", redis_prefix="invariants-again:")  # the same input topic
    with deployment(anew, workers=1) as running:
        running.settle()
        assert integers(aftermath.running) == integers(running)
        assert aftermath.running.stats() == running.stats()
