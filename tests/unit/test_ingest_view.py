"""What a running source shows: a line, a picture, JSON and metrics."""

from __future__ import annotations

from rich.console import Console

from streams.cli.ingest_view import as_dict, draw, print_counts, summary
from streams.events.decode import Event
from streams.sources import Mapped
from streams.sources.bluesky.jetstream import Jetstream, Options
from streams.sources.counts import MOST_NAMES, Counts
from streams.sources.operations import source_metrics

NOW = 1_000.0


def counts() -> Counts:
    made = Counts()
    made.rates(5.0)
    made.take(
        [Mapped("like", [Event("1", "like", "a", "b", NOW - 3)]), Mapped("unknown \x1b[2J", dropped="unknown kind", is_kept=True)]
    )
    return made


def shown(picture: object) -> str:
    screen = Console(width=160, file=None, record=True, force_terminal=False, quiet=False)
    with screen.capture() as captured:
        screen.print(picture)
    return captured.get()


def test_a_line_says_the_rate_the_age_and_the_totals() -> None:
    said = summary(Jetstream(Options()), counts(), NOW, 6.0)
    assert said == "2 messages/s, 1 events/s, 3.0 s behind, 2 messages, 1 events, 1 dropped"


def test_a_picture_has_every_count_and_nothing_that_could_move_the_cursor() -> None:
    said = shown(draw(Jetstream(Options()), counts(), NOW, 6.0))
    for part in ("bluesky", "1 like", "1 unknown kind", "\\x1b[2J"):
        assert part in said
    assert "\x1b[2J" not in said


def test_many_kinds_are_shown_as_the_largest_and_how_many_more() -> None:
    made = Counts()
    made.take([Mapped(f"kind {n}") for n in range(50)])
    assert "and 38 more" in shown(draw(Jetstream(Options()), made, NOW, 6.0))


def test_json_and_text_have_the_same_counts(capsys) -> None:  # type: ignore[no-untyped-def]  # pytest's own
    source, made = Jetstream(Options()), counts()
    assert as_dict(source, made) == {
        "source": "bluesky",
        "messages": {"like": 1, "unknown \x1b[2J": 1},
        "events": {"like": 1},
        "dropped": {"unknown kind": 1},
        "kept": 0,
        "not_kept": 0,
        "forget": 0,
        "reconnects": 0,
        "gap_seconds": 0.0,
    }
    print_counts(source, made)
    assert capsys.readouterr().out.splitlines() == [
        "messages 2: 1 like, 1 unknown \\x1b[2J",
        "events 1: 1 like",
        "dropped 1: 1 unknown kind",
    ]


def test_metrics_are_labelled_by_source_kind_and_reason_and_never_by_an_id() -> None:
    made = counts()
    made.take([Mapped(f"kind {n} \ud800") for n in range(500)])
    families = source_metrics(Jetstream(Options()), made, NOW)
    samples = {sample.name: sample for family in families for sample in family.samples if "kind" not in sample.labels}
    assert samples["cloutstream_ingest_dropped_total"].labels == {"source": "bluesky", "reason": "unknown kind"}
    assert samples["cloutstream_ingest_behind_seconds"].value == 3.0
    assert all(set(sample.labels) <= {"source", "kind", "reason"} for family in families for sample in family.samples)
    kinds = [sample for family in families for sample in family.samples if sample.name == "cloutstream_ingest_messages_total"]
    assert len(kinds) == MOST_NAMES + 1
    assert sum(sample.value for sample in kinds) == 502
    assert all(family.documentation.endswith(".") for family in families)
