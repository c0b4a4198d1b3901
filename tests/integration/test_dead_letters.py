"""Dead letters on a real broker: counted once per coordinate, shown safely, sent again without losing or doubling."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from harness import deployment
from load import Record, like

from streams.cli import main
from streams.events.letters import KEPT_BYTES
from streams.kafka.clients import producer
from streams.kafka.reading import read_topic
from streams.kafka.topics import create_topics
from streams.settings import Settings

Run = Callable[..., Any]
AT_MS = 1_700_000_000_000


@pytest.fixture
def topic(settings: Settings) -> str:
    create_topics(settings)
    return settings.topic_names[0]


@pytest.fixture
def run(settings: Settings, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Run:
    """Run a `dead-letters` command and return its parsed JSON."""
    for name, value in settings.to_environ().items():
        monkeypatch.setenv(name, value)

    def run(*words: str) -> Any:
        assert main(["dead-letters", *words, "--json"]) == 0
        return json.loads(capfdbinary.readouterr().out)

    return run


def put(settings: Settings, letters: list[tuple[int, int, str, bytes]]) -> None:
    """Write dead letters (partition, offset, reason, value) as intake does."""
    topic = settings.topic_names[0]
    sender = producer(settings)
    for partition, offset, reason, value in letters:
        headers = {"reason": reason, "topic": topic, "partition": partition, "offset": offset, "at_ms": AT_MS + offset}
        sender.send(
            settings.dead_letters_topic,
            key=f"{topic}[{partition}]@{offset}".encode(),
            value=value,
            partition=partition,
            headers=[(name, str(text).encode()) for name, text in headers.items()],
        )
    sender.flush()
    sender.close()


def test_no_dead_letters_is_an_empty_list(topic: str, run: Run) -> None:
    assert run("list") == []


def test_reasons_are_counted_once_per_coordinate_with_the_newest(settings: Settings, topic: str, run: Run) -> None:
    put(settings, [(0, 5, "not JSON", b"x"), (1, 9, "not JSON", b"y"), (0, 5, "not JSON", b"x"), (2, 1, "kind 'poke'", b"{}")])
    assert run("list") == [
        {"count": 2, "retried": 0, "newest_at_ms": AT_MS + 9, "newest": f"{topic}[1]@9", "reason": "not JSON"},
        {"count": 1, "retried": 0, "newest_at_ms": AT_MS + 1, "newest": f"{topic}[2]@1", "reason": "kind 'poke'"},
    ]
    assert [row["coordinate"] for row in run("list", "--reason", "not JSON")] == [f"{topic}[1]@9", f"{topic}[0]@5"]
    assert [row["coordinate"] for row in run("list", "--reason", "not JSON", "-n", "1")] == [f"{topic}[1]@9"]


@pytest.mark.parametrize(
    "value", [b"", b"\xff\xfe\x00", b"\x1b[2J\x1b]0;owned\x07", "[red]\u202e".encode(), b"a\nb\r\n"], ids=repr
)
def test_a_record_is_shown_as_it_came_and_cannot_move_the_terminal(
    value: bytes, settings: Settings, topic: str, run: Run, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    put(settings, [(3, 7, "not JSON: \x1b[31m", value)])
    coordinate = f"{topic}[3]@7"
    shown = run("show", coordinate)
    assert base64.b64decode(shown["value_base64"]) == value
    assert (shown["topic"], shown["partition"], shown["offset"], shown["at_ms"]) == (topic, 3, 7, AT_MS + 7)
    assert main(["dead-letters", "show", coordinate, "--raw"]) == 0
    assert capfdbinary.readouterr().out == value
    assert main(["dead-letters", "show", coordinate]) == 0
    text = capfdbinary.readouterr().out.decode()
    assert not any(char in text for char in "\x1b\x07\u202e\r")
    assert len(text.splitlines()) == 3
    assert main(["dead-letters", "list"]) == 0
    assert b"\x1b" not in capfdbinary.readouterr().out


def test_an_unknown_coordinate_ends_with_2(
    settings: Settings, topic: str, run: Run, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert main(["dead-letters", "show", f"{topic}[0]@77"]) == 2
    assert f"no dead letter {topic}[0]@77" in capfdbinary.readouterr().err.decode()
    put(settings, [(0, 5, "x", b"x")])
    assert main(["dead-letters", "retry", f"{topic}[0]@5", f"{topic}[0]@77"]) == 2
    assert list(read_topic(settings, topic)) == []


def test_retry_sends_the_bytes_again_once_under_the_actor_where_it_can_be_read(settings: Settings, topic: str, run: Run) -> None:
    event = json.dumps({"id": "1", "kind": "poke", "actor": "user@host ✓"}).encode()
    put(
        settings,
        [(0, 5, "kind", event), (0, 5, "kind", event), (3, 6, "not JSON", b"\xff\n"), (2, 8, "no actor", b'{"actor": 7}')],
    )
    assert run("retry", "--all") == {"retried": 3, "under_their_actor": 1, "to_their_partition": 2, "cut": 0}
    sent = {record.value: record for record in read_topic(settings, topic)}
    assert len(sent) == 3
    assert sent[event].key == "user@host ✓".encode()
    assert (sent[b"\xff\n"].key, sent[b"\xff\n"].partition) == (None, 3)
    assert (sent[b'{"actor": 7}'].key, sent[b'{"actor": 7}'].partition) == (None, 2)


def test_what_was_retried_stays_is_marked_and_isnt_sent_twice_unless_named(settings: Settings, topic: str, run: Run) -> None:
    put(settings, [(0, 5, "a", b"1"), (1, 6, "a", b"2"), (1, 7, "b", b"3")])
    assert run("retry", "--reason", "a")["retried"] == 2
    assert [(row["reason"], row["count"], row["retried"]) for row in run("list")] == [("a", 2, 2), ("b", 1, 0)]
    assert run("retry", "--all")["retried"] == 1
    assert run("retry", "--all")["retried"] == 0
    assert sorted(record.value or b"" for record in read_topic(settings, topic)) == [b"1", b"2", b"3"]
    assert run("retry", f"{topic}[1]@6")["retried"] == 1
    assert sorted(record.value or b"" for record in read_topic(settings, topic)) == [b"1", b"2", b"2", b"3"]
    assert run("show", f"{topic}[1]@6")["reason"] == "a"


def test_an_actor_that_no_account_can_have_is_no_key(settings: Settings, topic: str, run: Run) -> None:
    event = json.dumps({"actor": "a" * 300_000}).encode()
    put(settings, [(2, 5, "actor", event)])
    assert run("retry", "--all")["to_their_partition"] == 1
    (sent,) = read_topic(settings, topic)
    assert (sent.key, sent.partition, sent.value) == (None, 2, event)


def test_of_a_record_that_is_longer_than_letters_are_the_beginning_is_kept_and_its_neighbours_count(
    settings: Settings, run: Run, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    topic, length = settings.topic_names[0], 3_000_000
    good = [like(n, "bob", "ann", time.time()) for n in range(2)]
    huge = (b'{"actor":"bob","x":"' + b"y" * length)[:length]
    with deployment(settings, workers=1) as running:
        # One batch, which is small as it comes: that is all its broker looks at.
        sender = producer(settings, compression_type="gzip", linger_ms=5_000, batch_size=4 << 20)
        for record in (good[0], Record(b"bob", huge), good[1]):
            sender.send(topic, key=record.key, value=record.value, partition=1)
        sender.flush()
        sender.close()
        running.settle()
        assert {name: running.stats()[name] for name in ("applied", "refused")} == {"applied": 2, "refused": 1}
        running.assert_equal()
    (letter,) = read_topic(settings, settings.dead_letters_topic)
    assert letter.value == huge[:KEPT_BYTES]

    coordinate = f"{topic}[1]@1"
    shown = run("show", coordinate)
    assert (shown["bytes"], base64.b64decode(shown["value_base64"])) == (length, huge[:KEPT_BYTES])
    assert main(["dead-letters", "show", coordinate]) == 0
    assert b"3,000,000 bytes, of which the first 1,000,000 were kept" in capfdbinary.readouterr().out.splitlines()[0]
    assert run("retry", "--all") == {"retried": 0, "under_their_actor": 0, "to_their_partition": 0, "cut": 1}
    assert main(["dead-letters", "retry", coordinate]) == 2
    assert f"{coordinate} has the first 1,000,000 of 3,000,000 bytes" in capfdbinary.readouterr().err.decode()
    assert len(list(read_topic(settings, topic))) == 3


def test_records_that_arent_dead_letters_are_passed_over(settings: Settings, topic: str, run: Run) -> None:
    sender = producer(settings)
    sender.send(settings.dead_letters_topic, key=b"k", value=b"v")
    sender.send(settings.dead_letters_topic, value=b"v", headers=[("reason", b"\xff"), ("topic", b"t"), ("partition", b"x")])
    sender.flush()
    sender.close()
    put(settings, [(0, 1, "r", b"x")])
    assert [row["count"] for row in run("list")] == [1]
