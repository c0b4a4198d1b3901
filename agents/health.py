"""Whether a worker can work, as conditions that are read from its state; and what it waits for, as the watchdog sees it."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, cast

from faust.types import TP

from agents.app import CloutstreamApp

CONTROL_WITHIN_S = 5.0  # it is read four times a second
COMMIT_WITHIN_S = 30.0  # commits are due every half second; a broker that is away this long fails sends, too


@dataclass(frozen=True)
class Conditions:
    """What must hold for a worker to work; it goes on without Redis, so that isn't one of them."""

    assigned: bool  # the group gave it partitions, or none because others have them all
    recovered: bool  # their rows are read
    informed: bool  # what is defined while it runs is known up to now; without that no event may be taken
    committing: bool  # a commit succeeded lately, or there is nothing to commit
    redis: str  # "reachable", or "degraded": what is to be published waits

    @property
    def missing(self) -> list[str]:
        """Names of those that don't hold."""
        return [name for name in ("assigned", "recovered", "informed", "committing") if not getattr(self, name)]

    @property
    def is_ready(self) -> bool:
        """Whether the worker can work."""
        return not self.missing


def conditions(app: CloutstreamApp, now_s: float) -> Conditions:
    """Return how a worker is at `now_s`, epoch s."""
    return Conditions(
        assigned=app.assigned,
        recovered=app.recovered,
        informed=app.control.state.complete_until_s > now_s - CONTROL_WITHIN_S,
        committing=not uncommitted(app) or now_s - app.counters.committed_at_s < COMMIT_WITHIN_S,
        redis="reachable" if app.counters.redis_is_up else "degraded",
    )


def uncommitted(app: CloutstreamApp) -> list[TP]:
    """Return the owned partitions of which something is durable and not committed."""
    if not app.owned:
        return []
    committed = cast(Any, app.consumer).committed
    return [tp for tp, offset in app.durable.items() if tp.partition in app.owned and offset > committed(tp)]


def recovery_remaining_records(app: CloutstreamApp) -> int:
    """Return how many changelog offsets are still to be read; 0 when nothing is being recovered."""
    if app.recovered or not app.assigned:
        return 0
    return max(0, int(cast(Any, app.tables).recovery.active_remaining_total()))


def waiting_for(app: CloutstreamApp) -> dict[str, Hashable]:
    """Return what a worker waits for, each with a token that changes as soon as it gets anywhere.

    Nothing here knows a time: how long a token may stay the same is the watchdog's to say. Faust's recovery ends for good at a
    time-out inside it and leaves everything as it is, so it shows as a token that no longer changes.
    """
    generation = app.consumer_generation_id
    if not app.assigned:
        return {"an assignment from the consumer group": (generation, app.rebalancing_count)}
    if not app.recovered:
        return {"the recovery of its tables": (generation, app.rebalancing_count, recovery_remaining_records(app))}
    waits: dict[str, Hashable] = {}
    if app.owned:
        waits["a fetch to end"] = app.counters.fetches
        for table in (app.actors.name, app.entities.name):
            waits[f"rows of the {table} table to become durable"] = app.counters.flushes[table]
    if app.control.is_waited_for:
        waits["the control topic to be read to its end"] = app.control.state.complete_until_s
    if uncommitted(app):
        waits["a commit to succeed"] = app.counters.commits
    return waits
