"""What goes in, good and bad, through the real pipeline: every poison kind, times, odd ids, duplicates, tags, undo, expiry."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import services
from harness import Deployment, deployment
from load import Record, send

from streams import entities
from streams.cli import main
from streams.columns.placement import partitions_of
from streams.kafka.topics import end_offsets, read_topic
from streams.settings import Settings

NOW = time.time()
COUNTS = ("posts", "likes", "shares", "replies")
_serial = iter(range(10**9))


def event(author: str, actor: str = "someone", kind: str = "like", **more: Any) -> dict[str, Any]:
    return {"id": f"e{next(_serial)}", "kind": kind, "actor": actor, "author": author, "at": NOW - 60} | more


def record(fields: dict[str, Any], key: str | None = None) -> Record:
    return Record((key or fields["actor"]).encode(), json.dumps(fields).encode())


@pytest.fixture(scope="module")
def running(cluster: services.Kafka, redis_url: str) -> Iterator[Deployment]:
    """One deployment for the whole module; each test has accounts of its own and looks at differences of the counts."""
    settings = Settings(
        kafka=cluster.address, replication=cluster.replication, redis=redis_url, app_id="input", input_topics="input-events",
        redis_prefix="input:", partitions=4, session_timeout_s=6.0, topic_enter_reach=0.0, topic_leave_reach=0.0,
    )  # fmt: skip
    with deployment(settings, workers=1) as running:
        yield running


class Sent:
    """What sending records changed in the counts by outcome."""

    def __init__(self, running: Deployment, records: list[Record]) -> None:
        running.settle()
        before = running.stats()
        self.ends = end_offsets(running.settings, running.settings.topic_names[0])
        send(running.settings, records)
        running.settle()
        after = running.stats()
        self.outcomes = {name: after[name] - before[name] for name in after if after[name] != before[name]}


def hash_of(running: Deployment, entity: str) -> dict[str, str]:
    found: Any = running.client.hgetall(f"{running.settings.redis_prefix}score:{entity}")
    return {k.decode(): v.decode() for k, v in found.items()}


def counts_of(running: Deployment, author: str) -> tuple[int, ...]:
    fields = hash_of(running, entities.account(author))
    return tuple(int(fields.get(name, 0)) for name in COUNTS)


def changed(**more: Any) -> bytes:
    return json.dumps(event("victim") | more).encode()


WHOLE = changed()
POISON: dict[str, tuple[bytes | None, str]] = {
    "not JSON": (b"no json", "malformed"),
    "half an event": (WHOLE[:-9], "truncated"),
    "a list": (b"[" + WHOLE + b"]", "object"),
    "a number": (b"1", "object"),
    "two events": (WHOLE + WHOLE, "trailing"),
    "two events on two lines": (WHOLE + b"\n" + WHOLE, "trailing"),
    "a newline inside a string": (WHOLE.replace(b"victim", b"vic\ntim"), "malformed"),
    "invalid UTF-8": (WHOLE.replace(b"victim", b"vic\xfftim"), "UTF-8"),
    "invalid UTF-8 in a field nobody reads": (changed(x="y").replace(b'"y"', b'"\xc3("'), "UTF-8"),
    "UTF-16": (WHOLE.decode().encode("utf-16"), ""),
    "empty": (b"", "empty"),
    "blank": (b" \t ", "empty"),
    "null": (None, "null"),
    "JSON null": (b"null", "object"),
    "a number for an id": (changed(id=5), "id"),
    "a list for an author": (changed(author=["a"]), "author"),
    "words for a time": (changed(at="yesterday"), "at"),
    "a list for a time": (changed(at=[1]), "at"),
    "a string for tags": (changed(tags="ai"), "tags"),
    "a number among tags": (changed(tags=["ai", 1]), "tags"),
    "an empty tag": (changed(tags=[""]), "tags"),
    "an overlong tag": (changed(tags=["t" * 257]), "tags"),
    "a control character in a tag": (changed(tags=["a\x07i"]), "control"),
    "a string for undo": (changed(undo="yes"), "undo"),
    "NaN": (WHOLE.replace(str(NOW - 60).encode(), b"NaN"), "malformed"),
    "Infinity": (WHOLE.replace(str(NOW - 60).encode(), b"Infinity"), "malformed"),
    "a time beyond floats": (WHOLE.replace(str(NOW - 60).encode(), b"1e999"), ""),
    "an empty id": (changed(id=""), "id"),
    "an empty actor": (changed(actor=""), "actor"),
    "an empty author": (changed(author=""), "author"),
    "an overlong id": (changed(id="i" * 257), "id"),
    "an overlong actor": (changed(actor="a" * 257), "actor"),
    "an overlong author": (changed(author="a" * 257), "author"),
    "an overlong post": (changed(post="p" * 513), "post"),
    "an unknown kind": (changed(kind="poke"), "kind"),
    "no kind": (b'{"id":"x","actor":"a","author":"b","at":1}', "kind"),
    "no time": (b'{"id":"x","kind":"like","actor":"a","author":"b"}', "at"),
    "time zero": (changed(at=0), "1970"),
    "before 1970": (changed(at=-1.5), "1970"),
    "before 1970 in words": (changed(at="1969-12-31T23:59:59Z"), "1970"),
    "beyond the year 9999": (changed(at=253402300800), "9999"),
    "milliseconds": (changed(at=round(NOW * 1000)), "milliseconds"),
    "no time zone": (changed(at="2026-01-31T12:00:00"), "zone"),
    "an actor from before 1970": (changed(actor_since=-1), "actor_since"),
    "a tweet in another's name": (changed(kind="tweet"), "tweet"),
    "above 64 KB": (changed(x="y" * 65_536), "bytes"),
    "deep nesting": (changed(x=0).replace(b'"x": 0', b'"x": ' + b"[" * 5_000 + b"]" * 5_000), "nested"),
    "deep nesting that isn't closed": (b'{"id":' * 5_000, "nested"),
    **{
        f"U+{ord(c):04X} in an {name}": (changed(**{name: f"x{c}y"}), "surrogate" if c == "\ud800" else "control")
        for name in ("id", "actor", "author")
        for c in "\x00\n\x1f\x7f\x9f\u2028\ud800"
    },
}  # fmt: skip


def test_each_poison_kind_is_a_dead_letter_and_costs_its_neighbours_nothing(running: Deployment) -> None:
    records = []
    for number, (value, _) in enumerate(POISON.values()):
        for place in ("before", "after"):
            records += [record(event(f"{place}{number}", "neighbour")), Record(b"neighbour", value)][
                :: 1 if place == "before" else -1
            ]
        del records[-2]  # the poison once only
    sent = Sent(running, records)
    assert {"applied": 2 * len(POISON), "refused": len(POISON)} == sent.outcomes
    assert [(0, 1, 0, 0)] * 2 * len(POISON) == [
        counts_of(running, f"{p}{n}") for n in range(len(POISON)) for p in ("before", "after")
    ]
    assert hash_of(running, "account:victim") == {}

    topic = running.settings.topic_names[0]
    partition = int(partitions_of([b"neighbour"], 4)[0])
    first = sent.ends[partition]
    letters = {r.key: r for r in read_topic(running.settings, running.settings.dead_letters_topic)}
    for number, (name, (value, reason)) in enumerate(POISON.items()):
        offset = first + 3 * number + 1
        letter = letters[f"{topic}[{partition}]@{offset}".encode()]
        headers = {key: content.decode() for key, content in letter.headers}
        assert (value or b"") == letter.value, name
        assert (topic, str(partition), str(offset)) == (headers["topic"], headers["partition"], headers["offset"]), name
        assert reason in headers["reason"], f"{name}: {headers['reason']}"
        assert headers["reason"], name
        assert abs(int(headers["at_ms"]) / 1000 - time.time()) < 600, name


def test_records_that_add_up_to_the_right_number_of_events_are_not_misattributed(running: Deployment) -> None:
    def encoded(author: str) -> bytes:
        return json.dumps(event(author, "adder"), separators=(",", ":")).encode()

    a, b, c, d, e, f, g, h, i = (encoded(f"sum{name}") for name in "ABCDEFGHI")
    bad_and_good: list[tuple[bytes, bool]] = [
        (a + b"\n" + b, False), (b"", False), (c, True),
        (d + e, False), (b" ", False), (f, True),
        (g[:30], False), (g[30:], False), (h + i, False),
    ]  # fmt: skip
    good = [f"sum{name}" for name in "CF"]
    outcomes: dict[str, int] = {}
    # By themselves, so that each is one batch: another poison record in it would have all decoded one by one.
    for start in range(0, 9, 3):
        sent = Sent(running, [Record(b"adder", value) for value, _ in bad_and_good[start : start + 3]])
        for name, count in sent.outcomes.items():
            outcomes[name] = outcomes.get(name, 0) + count
    assert outcomes == {"applied": 2, "refused": 7}
    assert [f"sum{n}" for n in "ABCDEFGHI" if counts_of(running, f"sum{n}") != (0, 0, 0, 0)] == good


def test_times_are_taken_as_epoch_seconds_or_rfc_3339_and_clamped_to_the_brokers(running: Deployment) -> None:
    at = int(NOW) - 86_400

    def words(offset_s: int, zone: timezone, timespec: str = "seconds") -> str:
        return datetime.fromtimestamp(at + offset_s, zone).isoformat(timespec=timespec)

    given = {
        "time-float": at + 0.25, "time-int": at + 1, "time-z": words(2, UTC).replace("+00:00", "Z"),
        "time-east": words(3, timezone(timedelta(hours=5, minutes=30))), "time-fraction": words(4, UTC, "milliseconds"),
    }  # fmt: skip
    sent = Sent(running, [record(event(author, at=value)) for author, value in given.items()])
    assert {"applied": len(given)} == sent.outcomes
    found = [float(hash_of(running, entities.account(author))["at"]) - at for author in given]
    assert found == [0.25, 1.0, 2.0, 3.0, 4.0]

    begun = time.time()
    ahead = [record(event("time-ahead", at=time.time() + 1e6)), record(event("time-ahead", at="9999-12-31T23:59:59Z"))]
    sent = Sent(running, ahead)
    assert sent.outcomes == {"applied": 2, "clamped": 2}
    assert begun - 1 <= float(hash_of(running, "account:time-ahead")["at"]) <= time.time() + 1


ODD = [
    "did:plc:abc", "user@host.example", "{curly}", "100%", "%40", "%2525", "a b  c", " lead", "🦀🎉", "👩\u200d🚀",
    "مرحبا بالعالم", "שלום", "\u202eevil",
    "topic:ai", "a@topic:ai", "-dash", "'quote\"", "back\\slash", "*?[x]", "x" * 256, "é" * 256,
]  # fmt: skip


def test_odd_ids_come_out_as_they_went_in(
    running: Deployment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = running.settings
    records = [record(event(author, actor, "share", tags=[author])) for author, actor in zip(ODD, ODD[1:] + ODD[:1], strict=True)]
    assert {"applied": len(ODD)} == Sent(running, records).outcomes
    assert [(0, 0, 1, 0)] * len(ODD) == [counts_of(running, author) for author in ODD]
    for board in ("standing", "trending"):
        assert set(ODD) <= {m.decode() for m in running.client.zrange(f"{settings.redis_prefix}board:all:{board}", 0, -1)}
        assert set(ODD) <= {m.decode() for m in running.client.zrange(f"{settings.redis_prefix}board:topics:{board}", 0, -1)}
    for name, value in settings.to_environ().items():
        monkeypatch.setenv(name, value)
    assert main(["top", "--json", "-n", "5000"]) == 0
    assert set(ODD) <= {place["account"] for place in json.loads(capsys.readouterr().out)}
    assert main(["top", "--json", "--topics", "-n", "5000"]) == 0
    assert set(ODD) <= {place["topic"] for place in json.loads(capsys.readouterr().out)}
    for name in ODD:
        assert main(["top", "--json", f"--topic={name}"]) == 0
        assert [name] == [place["account"] for place in json.loads(capsys.readouterr().out)]
        assert main(["score", "--json", "--", name]) == 0
        assert json.loads(capsys.readouterr().out)["shares"] == 1
    changes: dict[str, set[str]] = {}
    for p in range(4):
        for _, fields in running.client.xrange(f"{settings.redis_prefix}changes:{p}"):
            change = json.loads(fields[b"json"])
            changes.setdefault(change["entity"], set()).update(cause["actor"] for cause in change["causes"] if "actor" in cause)
    expected = dict(zip(ODD, ODD[1:] + ODD[:1], strict=True))
    assert {author: {actor} for author, actor in expected.items()} == {a: changes.get(entities.account(a), set()) for a in ODD}


def test_tags_give_topic_boards_up_to_the_most_that_are_scored(running: Deployment) -> None:
    prefix = running.settings.redis_prefix
    tags = ["one", "two", "one", "three", "four", "five", "six"]  # five distinct ones count
    sent = Sent(running, [record(event("tagged", "fan", "share", tags=tags)), record(event("tagged", "fan2", tags=["one"]))])
    assert sent.outcomes == {"applied": 2}
    for tag in ("one", "two", "three", "four", "five"):
        likes = 1 if tag == "one" else 0
        scoped = hash_of(running, f"account:tagged@topic:{tag}")
        assert (str(likes), "1") == (scoped["likes"], scoped["shares"])
        assert (str(likes), "1") == (hash_of(running, f"topic:{tag}")["likes"], hash_of(running, f"topic:{tag}")["shares"])
        assert running.client.zrange(f"{prefix}board:topic:{tag}:standing", 0, -1) == [b"tagged"]
        assert running.client.zscore(f"{prefix}board:topics:trending", tag) is not None
    assert hash_of(running, "topic:six") == {}
    assert counts_of(running, "tagged") == (0, 1, 1, 0)


def test_the_reasons_of_each_change_add_up_to_it(
    running: Deployment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = running.settings
    for turn in range(2):
        fans = [event("explained", f"fan{i}", kind) for i in range(20 * turn, 20 * turn + 20) for kind in ("like", "share")]
        sent = Sent(running, [record(event("explained", "explained", "tweet")), *map(record, fans)])
        assert sent.outcomes == {"applied": 41}
    for name, value in settings.to_environ().items():
        monkeypatch.setenv(name, value)
    assert main(["why", "explained", "--json"]) == 0
    statements = json.loads(capsys.readouterr().out)
    assert len(statements) >= 2
    score = 1.0
    for statement in reversed(statements):
        assert statement["before"] == score
        score = statement["after"]
        assert abs(sum(cause["points"] for cause in statement["causes"]) - (score - statement["before"])) < 1e-9
    kinds = {cause["kind"] for statement in statements for cause in statement["causes"]}
    assert {"share", "others", "posts"} <= kinds <= {"like", "share", "others", "posts", "sampling", "decay"}
    assert statements[-1]["causes"][0]["actor"].startswith("fan")
    told = [
        json.loads(fields[b"json"])
        for p in range(settings.partitions)
        for _, fields in running.client.xrange(f"{settings.redis_prefix}changes:{p}")
    ]
    for change in told:
        assert abs(sum(cause["points"] for cause in change["causes"]) - (change["after"] - change["before"])) < 1e-9
    assert [c["causes"] for c in told if c["entity"] == "account:explained"] == [s["causes"] for s in reversed(statements)]


def test_self_engagement_counts_nothing_and_a_tweet_is_a_post(running: Deployment) -> None:
    sent = Sent(running, [record(event("selfish", "selfish", kind)) for kind in ("like", "share", "reply", "tweet")])
    assert sent.outcomes == {"self": 3, "applied": 1}
    assert counts_of(running, "selfish") == (1, 0, 0, 0)


def test_an_undo_takes_back_what_it_names_and_no_count_is_shown_below_nothing(running: Deployment) -> None:
    like, share = event("undone", "regretter"), event("undone", "regretter", "share")
    Sent(running, [record(like), record(share)])
    before = float(hash_of(running, "account:undone")["reach"])
    assert counts_of(running, "undone") == (0, 1, 1, 0)
    never = event("never-liked", "regretter")
    undo = [record(like | {"undo": True}), record(like | {"undo": True}), record(never | {"undo": True})]
    assert Sent(running, undo).outcomes == {"applied": 2, "duplicate": 1}
    assert counts_of(running, "undone") == (0, 0, 1, 0)
    shown = running.reader.score("account:never-liked")
    assert shown is not None
    assert (shown.posts, shown.likes, shown.shares, shown.replies) == (0, 0, 0, 0)
    Sent(running, [record(share | {"undo": True})])
    assert counts_of(running, "undone") == (0, 0, 0, 0)
    assert 0 <= float(hash_of(running, "account:undone")["reach"]) < before


def test_a_producer_that_places_otherwise_is_counted_and_its_events_are_folded(running: Deployment) -> None:
    key = next(name for name in map(str, range(99)) if partitions_of([name.encode()], 4)[0] != partitions_of([b"lost"], 4)[0])
    assert Sent(running, [record(event("found", "lost"), key=key)]).outcomes == {"applied": 1, "misplaced": 1}
    assert counts_of(running, "found") == (0, 1, 0, 0)


def test_everything_sent_by_this_module_equals_a_recount(running: Deployment) -> None:
    running.settle()
    running.assert_equal()


def test_duplicates_count_once_also_across_restarts(settings: Settings) -> None:
    first = [record(event(f"twice{n % 7}", f"fan{n}")) for n in range(500)]
    with deployment(settings, workers=1) as running:
        assert Sent(running, first + first[:250]).outcomes == {"applied": 500, "duplicate": 250}
        assert running.stop(running.workers[0]) == 0
        running.start()
        assert Sent(running, first).outcomes == {"duplicate": 500}
        running.kill(running.workers[0])
        running.start()
        more = [record(event("twice0", "newcomer"))]
        assert Sent(running, [*more, *first, *more]).outcomes == {"applied": 1, "duplicate": 501}
        assert sum(counts_of(running, f"twice{n}")[1] for n in range(7)) == 501
        running.assert_equal()


def test_a_row_idle_for_too_long_leaves_redis_and_comes_back_new(settings: Settings) -> None:
    short = replace(settings, expire_after_s=3600.0)
    home = partitions_of([b"idle"], 4)[0]
    busy = next(name for name in map(str, range(99)) if partitions_of([name.encode()], 4)[0] == home)
    prefix = short.redis_prefix
    with deployment(short, workers=1) as running:
        Sent(running, [record(event("idle", f"fan{n}", "share", at=NOW - 7200)) for n in range(3)])
        assert counts_of(running, "idle") == (0, 0, 3, 0)
        assert running.client.zscore(f"{prefix}board:all:standing", "idle") is not None
        Sent(running, [record(event(busy, at=NOW))])
        running.wait_for(lambda: not hash_of(running, "account:idle"), "tombstone")
        places = [running.client.zscore(f"{prefix}board:all:{board}", "idle") for board in ("standing", "trending")]
        assert places == [None, None]
        assert not running.client.exists(f"{prefix}history:account:idle")
        last = {r.key: r.value for r in read_topic(short, short.scores_topic)}
        assert last[b"account:idle"] is None
        running.assert_equal()
        Sent(running, [record(event("idle", at=NOW))])
        assert counts_of(running, "idle") == (0, 1, 0, 0)
        running.assert_equal()
