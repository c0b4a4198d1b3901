"""`dead-letters`: what was refused and why, the refused bytes themselves, and sending them again."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from streams.cli.amounts import positive_int
from streams.errors import UsageError
from streams.settings import Settings

if TYPE_CHECKING:
    from streams.cli.letters import Coordinate, DeadLetter


def register(subparsers: Any) -> None:
    """Add `dead-letters list|show|retry`."""
    parser = subparsers.add_parser(
        "dead-letters", help="refused records: list, show, retry", description="Look at refused records."
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listed = actions.add_parser("list", help="counts by reason", description="Count dead letters by reason, once per coordinate.")
    listed.add_argument("--reason", metavar="TEXT", help="the coordinates with this reason, newest first, instead of counts")
    listed.add_argument("-n", type=positive_int, default=20, metavar="N", help="most coordinates to list (default 20)")
    listed.add_argument("--json", action="store_true", help="one JSON array")
    show = actions.add_parser("show", help="one record as it came", description="Print one refused record as it came.")
    show.add_argument("coordinate", metavar="TOPIC[PARTITION]@OFFSET")
    output = show.add_mutually_exclusive_group()
    output.add_argument("--raw", action="store_true", help="the bytes themselves, unchanged; not for a terminal")
    output.add_argument("--json", action="store_true", help="one JSON object")
    retry = actions.add_parser(
        "retry",
        help="send refused records again",
        description="Send refused records to their input topic again, under their actor's id where they can be read, and mark "
        "them as retried. The dead letters stay. What has been retried before is left out, unless named by coordinate; so is "
        "always a record of which only the beginning was kept, because it was too long.",
    )
    retry.add_argument("coordinates", nargs="*", metavar="TOPIC[PARTITION]@OFFSET")
    retry.add_argument("--reason", metavar="TEXT", help="all with this reason")
    retry.add_argument("--all", action="store_true", help="all")
    retry.add_argument("--json", action="store_true", help="one JSON object")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Do one of the three."""
    return {"list": _list, "show": _show, "retry": _retry}[args.action](args, settings)


def _once(settings: Settings) -> Iterator[DeadLetter]:
    """Yield each coordinate's dead letter once; a crash or a retry may have written it several times."""
    from streams.cli.letters import read_letters

    seen: set[Coordinate] = set()
    for letter in read_letters(settings):
        if letter.coordinate not in seen:
            seen.add(letter.coordinate)
            yield letter


def _retried(settings: Settings) -> set[Coordinate]:
    from streams.cli.letters import read_letters

    return {letter.coordinate for letter in read_letters(settings) if letter.is_retry_mark}


def _list(args: argparse.Namespace, settings: Settings) -> int:
    from rich.table import Table
    from rich.text import Text

    from streams.cli.output import console, print_json, printable

    rows = _of_reason(args, settings) if args.reason is not None else _by_reason(settings)
    if args.json:
        print_json(rows)
        return 0
    if not rows:
        console().print(
            "no dead letters" if args.reason is None else f"no dead letters with the reason {printable(args.reason)!r}"
        )
        return 0
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in rows[0]:
        table.add_column(name.removesuffix("_ms"), overflow="fold", justify="right" if name in ("count", "retried") else "left")
    for row in rows:
        table.add_row(*(Text(_time(v) if k.endswith("at_ms") else printable(str(v))) for k, v in row.items()))
    console().print(table)
    return 0


def _by_reason(settings: Settings) -> list[dict[str, Any]]:
    counts, retried_counts = Counter[str](), Counter[str]()
    newest: dict[str, DeadLetter] = {}
    retried = _retried(settings)
    for letter in _once(settings):
        counts[letter.reason] += 1
        retried_counts[letter.reason] += letter.coordinate in retried
        if letter.reason not in newest or letter.at_ms >= newest[letter.reason].at_ms:
            newest[letter.reason] = letter
    return [
        {
            "count": count,
            "retried": retried_counts[reason],
            "newest_at_ms": newest[reason].at_ms,
            "newest": str(newest[reason].coordinate),
            "reason": reason,
        }
        for reason, count in counts.most_common()
    ]


def _of_reason(args: argparse.Namespace, settings: Settings) -> list[dict[str, Any]]:
    import heapq

    retried = _retried(settings)
    letters = (letter for letter in _once(settings) if letter.reason == args.reason)
    newest = heapq.nlargest(args.n, letters, key=lambda letter: (letter.at_ms, letter.coordinate))
    return [{"at_ms": d.at_ms, "coordinate": str(d.coordinate), "retried": d.coordinate in retried} for d in newest]


def _show(args: argparse.Namespace, settings: Settings) -> int:
    import base64
    import sys

    from streams.cli.letters import Coordinate, find
    from streams.cli.output import console, print_json, printable

    letter = find(settings, Coordinate.parse(args.coordinate))
    if args.raw:
        sys.stdout.flush()
        sys.stdout.buffer.write(letter.value)
        return 0
    try:
        text: str | None = letter.value.decode()
    except UnicodeDecodeError:
        text = None
    if args.json:
        head = {name: value.decode() for name, value in letter.headers}
        numbers = {**{name: int(head[name]) for name in ("partition", "offset", "at_ms")}, "bytes": letter.length_bytes}
        # Base64 has the bytes in any case; the text is there for people, and null where they aren't UTF-8.
        print_json({**head, **numbers, "value_base64": base64.b64encode(letter.value).decode(), "value_text": text})
        return 0
    out = console()
    kept = f", of which the first {len(letter.value):,} were kept" if letter.is_cut else ""
    out.print(f"{letter.coordinate}  {_time(letter.at_ms)}  {letter.length_bytes:,} bytes{kept}", style="bold", soft_wrap=True)
    out.print(f"reason: {printable(letter.reason)}", soft_wrap=True)
    out.print(printable(text) if text is not None else repr(letter.value)[2:-1], soft_wrap=True)
    return 0


def _retry(args: argparse.Namespace, settings: Settings) -> int:
    from streams.cli.letters import Coordinate
    from streams.cli.output import console, print_json
    from streams.cli.retrying import send_again

    named = {Coordinate.parse(text) for text in args.coordinates}
    if bool(named) + (args.reason is not None) + args.all != 1:
        raise UsageError("dead-letters retry: expected coordinates, --reason TEXT or --all, and one of them only")
    retried = _retried(settings)
    cut: set[Coordinate] = set()

    def is_chosen(letter: DeadLetter) -> bool:
        if named:
            return letter.coordinate in named
        if letter.coordinate in retried or not (args.all or letter.reason == args.reason):
            return False
        if letter.is_cut:
            cut.add(letter.coordinate)
        return not letter.is_cut

    if named:
        _check(named, settings)
    result = send_again(settings, filter(is_chosen, _once(settings)))
    counts = {
        "retried": len(result["found"]),
        "under_their_actor": result["keyed"],
        "to_their_partition": result["unkeyed"],
        "cut": len(cut),
    }
    if args.json:
        print_json(counts)
    else:
        console().print(
            f"{counts['retried']:,} sent again: {counts['under_their_actor']:,} under their actor's id, "
            f"{counts['to_their_partition']:,} unreadable ones to the partition they came from"
            + (f"; {len(cut):,} were not: only their beginning was kept" if cut else ""),
            soft_wrap=True,
        )
    return 0


def _check(named: set[Coordinate], settings: Settings) -> None:
    """Raise `UsageError` unless each is a dead letter that can be sent again."""
    found = {letter.coordinate: letter for letter in _once(settings) if letter.coordinate in named}
    if missing := sorted(map(str, named - found.keys())):
        raise UsageError(f"no dead letter {', '.join(missing)} in {settings.dead_letters_topic!r}; nothing was sent")
    for letter in found.values():
        if letter.is_cut:
            raise UsageError(
                f"dead letter {letter.coordinate} has the first {len(letter.value):,} of {letter.length_bytes:,} bytes; only a "
                "record that was kept whole can be sent again; nothing was sent"
            )


def _time(at_ms: int) -> str:
    if not 0 <= at_ms < 253402300800_000:
        return str(at_ms)
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d %H:%M:%S}"
