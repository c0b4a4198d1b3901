"""Input that is broken, lopsided, out of order, or read again."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from random import Random

import msgspec
from load import POISON, Record, like, lively, lively_events
from looking import Follower, integers, twice_or_back

from chaos.row import Row
from chaos.stage import PATIENCE_S, Scene, Stage
from streams.kafka.topics import read_topic

RATE = 2_000.0
DAY_S = 86_400.0
SLOWEST = 0.7  # of the rate of uniform traffic
LARGEST_ROW_BYTES = 4_096

_EVENT = {"id": "x", "kind": "like", "actor": "a", "author": "b", "at": 1}
# Every reason to refuse a record that there is, and some shapes of it.
KINDS = [
    *POISON,
    b"null",
    b"[1]",
    b"{}",
    b'{"id":"x"}{"id":"y"}',
    b'{"id":"x","kind":"like","actor":"a","author":"b","at":NaN}',
    b"[" * 5_000,
    b" " * 70_000,
    *(
        json.dumps({**_EVENT, **wrong}).encode()
        for wrong in (
            {"id": "x" * 300}, {"kind": "hug"}, {"kind": "tweet"}, {"at": 0}, {"at": -1}, {"at": 1e12}, {"at": "yesterday"},
            {"at": "2026-01-01T00:00:00"}, {"at": None}, {"actor": ""}, {"actor": "a" * 257}, {"actor": "a\u0000b"},
            {"author": 7}, {"undo": "yes"}, {"tags": "one"}, {"tags": [1]}, {"post": "p" * 600},
        )
    ),
]  # fmt: skip


def poisoned(stage: Stage, row: Row) -> None:
    """1 % poison of every kind: no crash, a dead letter for each, the rest equal."""
    injected = 0

    def events() -> Iterator[Record]:
        nonlocal injected
        for record in lively(stage.seed, time.time() - DAY_S, poison=False):
            if stage.chance.random() < 0.01:
                injected += 1
                yield Record(record.key, stage.chance.choice([*KINDS, None, stage.chance.randbytes(40)]))
            yield record

    with stage.scene(row) as scene:
        scene.begin(stage.pick(300_000, 30_000), RATE, events=events())
        scene.running.pass_time(stage.pick(60, 10))
        scene.end()
        records = list(read_topic(scene.settings, scene.settings.dead_letters_topic))
        letters = {record.key for record in records}
        row.rounds = 1
        row.at_least("kinds of poison that were refused", len({record.value for record in records} & set(KINDS)), 30)
        row.at_most("workers that ended", len(scene.running.ended_by_itself), 0)
        row.at_least(f"dead letters of {injected:,} injected", len(letters), injected)
        row.at_most("dead letters beyond them", len(letters) - injected, 0)


def lopsided(stage: Stage, row: Row) -> None:
    """Half of all traffic on one author, and one author with a million engagers, against uniform traffic."""
    many, engagers = stage.pick(400_000, 60_000), stage.pick(1_000_000, 60_000)
    now_s, chance = time.time() - DAY_S, stage.chance
    people, authors = many // 4, many // 200  # so many events of each that uniform traffic, too, is about old rows

    def fan() -> str:
        return f"fan{chance.randrange(people)}"

    def uniform(count: int) -> list[Record]:
        return [like(n, fan(), f"author{chance.randrange(authors)}", now_s + n / 9_000) for n in range(count)]

    def half(count: int) -> list[Record]:
        return [r if n % 2 else like(n, fan(), "star", now_s + n / 9_000) for n, r in enumerate(uniform(count))]

    rates: dict[str, list[float]] = {"uniform": [], "half on one author": []}
    rounds = stage.pick(3, 1)
    for number in range(rounds):
        rates["uniform"].append(_drain(stage, row, uniform(many)))
        rates["half on one author"].append(_drain(stage, row, half(many)))
        if number == rounds // 2:  # between two others: a machine isn't as fast all the time
            star = [like(n, f"fan{n}", "star", now_s + n / 9_000) for n in range(engagers)]
            rates["one author"] = [_drain(stage, row, star)]
        row.rounds += 1
    base = statistics.median(rates["uniform"])
    for name in ("half on one author", "one author"):
        row.at_least(f"{name}: rate against uniform", statistics.median(rates[name]) / base, SLOWEST, is_speed=True)
    row.notes.append(f"uniform over {authors:,} authors {base:,.0f} events/s; one author had {engagers:,} distinct engagers")


def _drain(stage: Stage, row: Row, events: Sequence[Record]) -> float:
    """Return events a second from the first that is taken until all are published."""
    with stage.scene(row) as scene:
        scene.send(events)
        scene.running.start()
        scene.running.wait_for(lambda: scene.running.workers[0].owned, "start", PATIENCE_S)
        begun_s = time.monotonic()
        scene.settle()
        took_s = time.monotonic() - begun_s
        scene.recount()
        for topic in (scene.settings.entities_changelog, scene.settings.actors_changelog):
            rows = (r for r in read_topic(scene.settings, topic) if not (r.key or b"").startswith(b"\0"))
            largest = max(len(r.value or b"") for r in rows)
            row.at_most("bytes of the largest row", largest, LARGEST_ROW_BYTES)
        return len(events) / took_s


def disordered(stage: Stage, row: Row) -> None:
    """Events shuffled by up to a day, a fifth sent twice, clocks an hour and ten years ahead, at 1970, and in milliseconds."""
    with stage.scene(row) as scene:
        count = stage.pick(300_000, 30_000)
        scene.running.start()
        scene.send(list(_disorder(lively_events(count, stage.seed, time.time() - 4 * DAY_S), stage.chance)))
        scene.settle()
        scene.recount()
        row.rounds = 1
        outcomes = scene.running.stats()
        for name in ("duplicate", "clamped", "refused"):
            row.at_least(name, outcomes[name], count // 200)


def _disorder(events: Sequence[Record], chance: Random) -> Iterable[Record]:
    """Return events with times spread over three days, sent up to a day late or early, some twice, some by wrong clocks."""
    now_s = time.time()
    placed: list[tuple[float, Record]] = []
    for number, record in enumerate(events):
        try:
            event = msgspec.json.decode(record.value or b"")
            at_s = event["at"] = event["at"] + number / len(events) * 3 * DAY_S
        except (msgspec.DecodeError, TypeError, KeyError):
            continue
        drawn = chance.random()
        for share, wrong in ((0.01, now_s + 3_600), (0.02, now_s + 10 * 365 * DAY_S), (0.03, 1_000.0), (0.04, at_s * 1_000)):
            if drawn < share:
                event["at"] = wrong
                break
        changed = Record(record.key, msgspec.json.encode(event))
        placed.append((at_s + chance.uniform(0, DAY_S), changed))
        if chance.random() < 0.2:
            placed.append((at_s + chance.uniform(0, DAY_S), changed))
    placed.sort(key=lambda entry: entry[0])
    return [record for _, record in placed]


def replayed(stage: Stage, row: Row) -> None:
    """The same log replayed from nothing, twice: the same integers, and within a run no version twice or going back."""
    with stage.scene(row) as scene:
        scene.send(lively_events(stage.pick(300_000, 30_000), stage.seed, time.time() - DAY_S))
        found = [_replay(scene, scene.settings.app_id, row)]
        for number in range(2):
            name = f"{scene.settings.app_id}-{number}"
            with stage.scene(row, scene.kafka, app_id=name, input_topics=scene.settings.input_topics) as again:
                found.append(_replay(again, name, row))
        row.at_most("entities with other integers", sum(len(f.items() ^ found[0].items()) for f in found[1:]), 0)
        row.at_least("entities", len(found[0]), 1)


def _replay(scene: Scene, name: str, row: Row) -> dict[str, tuple[bytes, ...]]:
    with closing(Follower(replace(scene.settings, app_id=name))) as follower:
        scene.running.start()
        scene.settle()
        follower.catch_up(scene.running)
        row.at_most("versions told twice or going back", len(twice_or_back(follower.told)), 0)
        row.at_least("changes told", len(follower.told), 1)
    scene.recount()
    row.rounds += 1
    return integers(scene.running)
