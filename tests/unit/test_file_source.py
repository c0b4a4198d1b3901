"""Files as a source: rows, mappings, the layouts of data sets, and going on where an earlier run stopped."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from streams.errors import UsageError
from streams.events.decode import Event
from streams.replay.readers import Recording
from streams.sources.file.mapping import FieldMap, pairs
from streams.sources.file.rows import Rows
from streams.sources.file.source import File, Line, LineMap, mapped_rows, preset
from tests import samples

AT = 1_769_860_800.0
FIELDS = FieldMap({"actor": "user_id", "author": "owner", "kind": "what", "at": "when"}, {"star": "like"}, network="shop")


def mapped(lines: list[bytes], mapping: LineMap) -> list[tuple[str, list[Event], str]]:
    return [(m.kind, list(m.events), m.dropped) for n, line in enumerate(lines, 1) for m in [mapping(n, line)]]


@pytest.mark.parametrize(
    ("format", "lines"),
    [
        ("json", [b"", b'{"user_id": 7, "owner": "b,\\"en", "what": "star", "when": 1769860800, "tags": ["AI"]}']),
        ("csv", [b"user_id,owner,what,when,tags", b'7,"b,""en",star,2026-01-31T12:00:00Z,"AI|ai"\r']),
        ("tsv", [b"user_id\towner\twhat\twhen\ttags", b'7\tb,"en\tstar\t2026-01-31 12:00:00\tAI']),
    ],
)
def test_a_row_of_any_format_becomes_an_event_by_the_mapping(format: str, lines: list[bytes]) -> None:
    made = mapped(lines, mapped_rows(Rows(format), FIELDS, "f.x"))[-1]
    assert made == ("star", [Event("f.x:2", "like", "7", 'b,"en', AT, None, ["ai"], network="shop")], "")


@pytest.mark.parametrize(
    ("row", "dropped"),
    [
        ({"what": "hug"}, "unknown kind"),
        ({"what": "star", "owner": "b", "when": 1}, "no actor"),
        ({"what": "star", "user_id": "a", "when": 1}, "no author"),
        ({"what": "star", "user_id": "a", "owner": "b", "when": "soon"}, "no time"),
        ({"what": "star", "user_id": ["a"], "owner": "b", "when": 1}, "no actor"),
    ],
)
def test_a_row_that_is_no_event_is_counted_and_kept(row: dict[str, Any], dropped: str) -> None:
    found = mapped_rows(Rows("json"), FIELDS, "f")(1, json.dumps(row).encode())
    assert (list(found.events), found.dropped, found.is_kept) == ([], dropped, True)


@pytest.mark.parametrize(
    ("format", "line"), [("json", b"[1]"), ("json", b"\xff"), ("csv", b'1,"2'), ("csv", b"1,2"), ("tsv", b"\xff\t1\t2")]
)
def test_a_line_of_another_format_is_counted_and_kept(format: str, line: bytes) -> None:
    mapping = mapped_rows(Rows(format, ["a", "b", "c"]), FIELDS, "f")
    found = mapping(1, line)
    assert (found.kind, found.dropped, found.is_kept) == ("unknown line", "unreadable", True)


def test_a_post_needs_no_author_and_constants_and_units_can_be_given() -> None:
    fields = FieldMap(pairs("actor=u,at=ms,kind=:tweet,network=:mine,undo=gone", "--map"), time_unit="ms")
    (made,) = fields.map({"u": "ann", "ms": 1500, "gone": "true"}, "x").events
    assert made == Event("x", "tweet", "ann", "ann", 1.5, network="mine", undo=True)


@pytest.mark.parametrize("text", ["a", "a=", "=b", "a=b,c"])
def test_a_list_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--map has"):
        pairs(text, "--map")


GITHUB = b"created_at\tevent_id\tkind\tactor_id\tactor_login\trepo_owner\trepo_id\trepo\tlanguage"
CASES_GITHUB = [
    (b"2026-01-31T12:00:00Z\t1\tstar\t5\tann\tben\t9\tben/lib\tC++", ("like", "ben", ["c++"])),
    (b"2026-01-31T12:00:00Z\t1\tfork\t5\tann\tben\t9\tben/lib\t", ("share", "ben", None)),
    (b"2026-01-31T12:00:00Z\t1\tpush\t5\tann\tben\t9\tben/lib\t", ("tweet", "ann", None)),
    (b"2026-01-31T12:00:00Z\t1\tcomment\t5\tann\tben\t9\tben/lib\t", ("reply", "ben", None)),
]


@pytest.mark.parametrize(("line", "expected"), CASES_GITHUB)
def test_gh_archive_in_columns(line: bytes, expected: tuple[str, str, list[str] | None]) -> None:
    kind, author, tags = expected
    rows = mapped([GITHUB, line], preset("gharchive"))
    assert rows[0] == ("header", [], "")
    assert rows[1][1] == [Event("github-1", kind, "ann", author, AT, "ben/lib", tags, network="github")]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("type", "payload", "expected"),
    [
        ("WatchEvent", {"action": "started"}, ("star", "like", "ben")),
        ("ForkEvent", {"forkee": {"language": None}}, ("fork", "share", "ben")),
        ("PushEvent", {}, ("push", "tweet", "ann")),
        ("IssuesEvent", {"action": "opened"}, ("issue", "reply", "ben")),
        ("IssuesEvent", {"action": "closed"}, ("issue closed", "", "")),
        ("MemberEvent", {}, ("MemberEvent", "", "")),
        ("NewEvent", {}, ("unknown NewEvent", "", "")),
    ],
)
def test_gh_archive_as_it_is_published(type: str, payload: Any, expected: tuple[str, str, str]) -> None:
    line = {"id": "1", "type": type, "actor": {"id": 5, "login": "ann"}, "repo": {"id": 9, "name": "ben/lib"}}
    found = preset("gharchive")(
        1, json.dumps({**line, "payload": payload, "public": True, "created_at": "2026-01-31T12:00:00Z"}).encode()
    )
    assert (found.kind, "".join(e.kind for e in found.events), "".join(e.author for e in found.events)) == expected


STEEM = b"time_utc\tkind\tactor\ttarget_author\ttarget_permlink\town_permlink\ttags\tvote_percent\tnum_changes"


def vote(percent: int, minute: int = 0) -> bytes:
    return b"2026-01-31T12:%02d:00\tvote\tann\tben\tp\t\tart|# Go|art\t%d\t0" % (minute, percent)


def test_steem_posts_comments_and_reblogs() -> None:
    lines = [
        STEEM,
        b"2026-01-31T12:00:00\tpost\tann\tann\tp\tp\tn/a\t\t",
        b"2026-01-31T12:00:00\tcomment\tann\tben\tp\tre-p\tart\t\t",
        b"2026-01-31T12:00:00\treblog\tann\tben\tp\t\t\t\t",
    ]
    assert [events for _, events, _ in mapped(lines, preset("steem"))] == [
        [],
        [Event("steem/ann/p", "tweet", "ann", "ann", AT, "ann/p", network="steem")],
        [Event("steem/ann/re-p", "reply", "ann", "ben", AT, "ben/p", ["art"], network="steem")],
        [Event("steem-reblog/ann/ben/p", "share", "ann", "ben", AT, "ben/p", network="steem")],
    ]


def test_steem_votes_are_given_changed_withdrawn_given_again_and_turned_against() -> None:
    lines = [
        STEEM,
        vote(0),
        vote(100),
        vote(50, 1),
        vote(0, 2),
        vote(100, 3),
        vote(-100, 4),
        vote(-100, 5),
        b"x".join([vote(1), b""]),
    ]
    found = mapped(lines, preset("steem"))[1:-1]
    assert [(kind, [(e.at, e.undo) for e in events], dropped) for kind, events, dropped in found] == [
        ("vote withdrawn", [], "original unknown"),
        ("vote", [(AT, False)], ""),
        ("vote changed", [], ""),
        ("vote withdrawn", [(AT, True)], ""),
        ("vote", [(AT + 180, False)], ""),
        ("vote against", [(AT + 180, True)], ""),
        ("vote against", [], "against the post"),
    ]
    given = [events[0] for _, events, _ in found if events]
    assert len({e.id for e in given}) == 2
    assert given[0].tags == ["art", "go"]


def test_higgs_is_what_the_replay_sends() -> None:
    path = samples.path("higgs/higgs-activity_time.days1-5.txt.gz")
    mapping = preset("higgs")
    (sent,) = Recording(path, "higgs", limit=2000).blocks()
    lines = gzip.decompress(path.read_bytes()).splitlines()[:2000]
    made = [mapping(n, line).events[0] for n, line in enumerate(lines, 1)]
    decoded = [json.loads(value) for value in sent.values]
    assert [(e.id, e.kind, e.actor, e.author, e.at) for e in made] == [
        (d["id"], d["kind"], d["actor"], d["author"], d["at"]) for d in decoded
    ]


@pytest.mark.parametrize(
    ("name", "layout", "events", "dropped"),
    [
        (
            "gharchive/gharchive_2015-01-01_00-01_events.tsv.gz", "gharchive",
            {"tweet": 8430 + 1542 + 67 + 10, "like": 1291, "share": 435, "reply": 1596 + 703 + 608}, {},
        ),
        (
            "hive/steem_2016_events.tsv.gz", "steem",
            {"tweet": 829, "like": 8643, "reply": 2098, "share": 8}, {"original unknown": 22, "against the post": 13},
        ),
    ],
)  # fmt: skip
def test_a_data_set_is_mapped_whole(name: str, layout: str, events: dict[str, int], dropped: dict[str, int]) -> None:
    found = mapped(gzip.decompress(samples.path(name).read_bytes()).splitlines(), preset(layout))
    made = [e for _, some, _ in found for e in some]
    assert Counter(e.kind for e in made) == events
    assert Counter(why for _, _, why in found if why) == dropped
    assert len({e.id for e in made}) == len(made)


async def read(source: File, position: Any) -> list[Line]:
    return [line for batch in [b async for b in source.batches(position)] for line in batch]


async def test_a_file_goes_on_after_its_position_and_remembers_what_was_before(tmp_path: Path) -> None:
    path = tmp_path / "f.tsv"
    path.write_bytes(b"\n".join([STEEM, vote(100), vote(0, 1)]) + b"\n")
    first = File(path, preset("steem"))
    whole = await read(first, None)
    assert [n for n, _ in whole] == [1, 2, 3]
    for line in whole[:2]:
        first.map(line)
    assert first.position() == {"line": 2}
    second = File(path, preset("steem"))
    (rest,) = await read(second, {"line": 2})
    assert [(e.undo, e.at) for e in second.map(rest).events] == [(True, AT)]
    assert second.raw(rest) == vote(0, 1)
    assert await read(File(path, preset("steem")), {"line": 3}) == []


async def test_a_file_that_became_shorter_is_another_file(tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    path.write_bytes(b"{}\n")
    with pytest.raises(UsageError, match=r"has 1 lines, but 2 of them were read before"):
        await read(File(path, preset("events")), {"line": 2})
