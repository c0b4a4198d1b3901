"""What Faust's recovery may leave undone without a word: rows that were not read, and a step that never came to its end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from faust.tables.recovery import ServiceStopped

from agents.host import Table
from streams.errors import CloutstreamError
from streams.fatal import fatal


def end_when_stuck(recovery: Any) -> None:
    """Have the process end as soon as a step of Faust's recovery took longer than a request may.

    Faust takes that for the end of the service: it would recover nothing any more, and the next rebalance would stand still.
    """
    wait = recovery._wait

    async def waiting(what: Any, timeout: float | None = None) -> None:
        try:
            await wait(what, timeout)
        except ServiceStopped:
            if not recovery.should_stop and not recovery.app.should_stop:
                fatal("recovering the tables failed", CloutstreamError(f"a step of it took more than {timeout:g} s"))
            raise

    recovery._wait = waiting


def unread(recovery: Any, tables: Iterable[Table[Any]]) -> Iterator[str]:
    """Yield which changelogs were passed over in part, though Faust takes them for read.

    Faust goes by the last range that came, not by whether those before it did.
    """
    for table in tables:
        for tp in recovery.actives_for_table[table.store.table]:
            expected, upto = recovery.active_offsets[tp], table.store.read_upto(tp)
            if expected is not None and expected > upto:
                yield f"{tp.topic}[{tp.partition}] is applied up to offset {upto}; expected {expected}"
