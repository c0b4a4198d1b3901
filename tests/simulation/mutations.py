"""Bugs that schedules must find: each changes a few words of the workers' code, in a copy that takes its place for a while."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from .plan import Plan
from .schedule import run


@dataclass(frozen=True)
class Mutation:
    """A bug.

    `where` is a module and a function or method in it, whose text has `old` once; one of `within` schedules must find it. Those
    begin at seed `first`: what few schedules find is looked for where it was found.
    """

    name: str
    where: str
    old: str
    new: str
    within: int = 300
    first: int = 0
    plan: tuple[tuple[str, Any], ...] = ()  # of the schedules, where the bug needs what few of them have
    also: tuple[str, str] = ("", "")  # a second change


_BUSY = (("span_s", 1.5), ("tick_ms", 80.0), ("events", 60), ("people", 4))
_ZOMBIES = (*_BUSY, ("pauses", ((0.4, 1.2), (0.9, 0.5))), ("session_s", 0.25))
_SLOW_ZOMBIES = (*_ZOMBIES, ("latency_mean_s", 0.05), ("workers", 2), ("is_small", True))
_GATE = (*_SLOW_ZOMBIES, ("drops", 0.5))
_DROPS = (*_BUSY, ("drops", 0.5), ("leaves_s", (0.3, 0.6, 0.9)), ("workers", 2))
_WIPES = (
    ("events", 25), ("span_s", 1.5), ("tick_ms", 400.0), ("step_s", 1e-5), ("fetch_s", 0.3), ("people", 8),
    ("pauses", ((0.27, 0.7), (0.43, 0.5))), ("session_s", 0.25), ("splits", 0.0), ("wipes_s", (1.17, 1.77)),
    ("leaves_s", (0.57,)), ("workers", 1),
)  # fmt: skip
_LATE = (*_BUSY, ("pauses", ((0.4, 1.2),)), ("session_s", 0.25), ("slow_from_s", 1.0), ("slow_until_s", 8.0))
_CAMPAIGNS = (*_BUSY, ("campaigns_s", ((0.0, 0.7), (0.3, 1e9), (0.6, 1.0))), ("tags", 0.5))
_FORGETS = (*_BUSY, ("forgets", ((0.3, "p1"), (0.7, "p2"))))
_UNKNOWING = (
    *_BUSY, ("pauses", ((0.7, 1.2),)), ("session_s", 0.25), ("fetch_s", 0.05), ("tick_ms", 400.0), ("control_s", 0.3),
    ("forgets", ((1.5, "p1"), (1.75, "p2"))), ("leaves_s", (2.1,)),
)  # fmt: skip
_BEHIND = (
    *_BUSY, ("workers", 2), ("pauses", ((0.5, 1.2),)), ("session_s", 0.6), ("fetch_s", 0.3), ("splits", 0.0),
    ("forgets", ((1.2, "p1"), (1.6, "p2"))), ("crash_steps", (236, 320)),
)  # fmt: skip
_ROW_CRASHES = (*_BUSY, ("row_crashes", 0.2), ("latency_mean_s", 0.05), ("tick_ms", 400.0), ("campaigns_s", ()))
_QUIET_FORGETS = (
    *_BUSY, ("span_s", 0.6), ("people", 8), ("workers", 1), ("forgets", ((0.7, "p1"), (1.0, "p2"), (1.3, "p3"))),
    ("row_crashes", 0.1), ("crash_steps", ()), ("compactions_s", (3.0,)), ("campaigns_s", ()), ("slow_from_s", 1e9),
    ("redis_away", ()),
)  # fmt: skip
_UNHEARD = (*_CAMPAIGNS, ("control_stalls", ((0.2, 1.2),)))

MUTATIONS = [
    Mutation(
        "input is committed before its effects are acknowledged", "agents.intake:Intake._write",
        "        await changelog.write(snapshot.keys, snapshot.values, snapshot.state)\n",
        "        for topic in self.app.settings.topic_names:\n"
        "            self.app.durable.advance(TP(topic, partition), snapshot.counts.get(f'position:{topic}', 0))\n"
        "        await changelog.write(snapshot.keys, snapshot.values, snapshot.state)\n",
    ),
    Mutation(
        "events count at times ahead of the broker's clock", "streams.intake.take:take",
        "    at = np.minimum(chosen.at, broker)\n", "    at = chosen.at\n",
    ),
    Mutation(
        "events taken again after a crash count again in how busy their actors are", "streams.intake.take:take",
        "settings, batch.may_be_held)", "settings, False)",
    ),
    Mutation(
        "an older row of an actor takes the place of a newer one", "streams.tables.actor_codec:_take_over",
        "    newer = ~(says & older)\n", "    newer = ~(says & older & False)\n", 600, plan=_ZOMBIES,
    ),
    Mutation(
        "engagements name another actor", "streams.intake.fan_out:fan_out",
        "actor, own, at = accounts.actor[event]", "actor, own, at = accounts.actor[event[::-1]]",
    ),
    Mutation(
        "engagements are folded into rows that hold them", "streams.tables.fold:fold",
        "batch.fresh & (held[position] < batch.offset)", "batch.fresh",
    ),
    Mutation(
        "events are folded again", "streams.tables.joined:join",
        "event_offsets > applied.get(source, -1)", "event_offsets > -1",
    ),
    Mutation(
        "an event counts as applied before it is folded", "streams.tables.fold:fold",
        "    for offset, log in zip(offsets, logs, strict=True):\n",
        "    batch.fresh[: len(batch.fresh) // 8] = False\n    for offset, log in zip(offsets, logs, strict=True):\n",
    ),
    Mutation(
        "the marker is written before the rows", "agents.scorer:Scorer._write",
        "        while piece is not None:\n",
        "        await asyncio.gather(*(self._mark(p, marker, states[p], now_s) for p, marker in markers.items()))\n"
        "        while piece is not None:\n",
    ),
    Mutation(
        "the marker tells of what was folded since", "agents.scorer:Scorer._write",
        "table.log(p).copy()", "table.log(p)",
    ),
    Mutation(
        "a hand-over forgets what is dirty, and commits", "agents.ownership:Ownership.hand_over",
        "                self.handing_over = True\n",
        "                self.handing_over = True\n                self.entity_rows.dirty[:] = False\n",
    ),
    Mutation(
        "what somebody else wrote into the changelog isn't read", "streams.tables.changelog:Changelog.write",
        "if ack.base_offset > expected:", "if False:",
    ),
    Mutation(
        "a hand-over that took too long keeps its rows", "agents.ownership:Ownership.hand_over",
        "table.store.reset_state()", "pass", first=300, within=600, plan=_LATE,
    ),
    Mutation(
        "a quiet partition's markers aren't written again", "agents.scorer:Scorer._mark",
        "is_news or age_s >= MARKER_REFRESH_S", "is_news", plan=_ZOMBIES,
    ),
    Mutation(
        "a replayed event meets itself in the duplicate window", "streams.events.duplicates:DuplicateWindow.accept",
        "(at < offsets) & (offsets", "(at <= offsets) & (offsets",
    ),
    Mutation(
        "reading ids forgets which of ours are to be written", "streams.events.duplicates:DuplicateWindow.load",
        "self.dirty_blocks = dirty_blocks", "self.dirty_blocks.clear()", plan=_ZOMBIES,
    ),
    Mutation(
        "nobody leaves a topic's board", "streams.redis.scripts:script",
        "return files(\"streams.redis\").joinpath(f\"{name}.lua\").read_text()",
        "return files(\"streams.redis\").joinpath(f\"{name}.lua\").read_text().replace('reach >= leave and', 'true or')",
    ),
    Mutation(
        "Redis takes an older version", "streams.redis.scripts:script",
        "return files(\"streams.redis\").joinpath(f\"{name}.lua\").read_text()",
        "return files(\"streams.redis\").joinpath(f\"{name}.lua\").read_text().replace('version >= held', 'true')",
        plan=_ZOMBIES,
    ),
    Mutation(
        "what a fill wrote counts as told", "streams.redis.scripts:script",
        "return files(\"streams.redis\").joinpath(f\"{name}.lua\").read_text()",
        "return files(\"streams.redis\").joinpath(f\"{name}.lua\").read_text().replace("
        "'tonumber(e[12]) > tonumber(told)', 'version > tonumber(ver)')",
    ),
    Mutation(
        "a score without a change forgets what was told", "streams.redis.scripts:script",
        "return files(\"streams.redis\").joinpath(f\"{name}.lua\").read_text()",
        "return files(\"streams.redis\").joinpath(f\"{name}.lua\").read_text().replace("
        "'is_news and e[12] or told', 'is_news and e[12] or \"-1\"')",
    ),
    Mutation(
        "a change is told again with the score that it waits with", "streams.redis.published:entry",
        "told = record.span[1]", "told = record.version",
    ),
    Mutation(
        "a change that comes again takes the beginning of those it was told with", "streams.tables.score_records:merged",
        "if begins <= first and last <= ends:", "if False:",
    ),
    Mutation(
        "the newest of what waits for Redis is the last one told", "agents.pending:Pending.add",
        "(older.version, held[0]) > (newer.version, offset)", "held[0] > offset", plan=_ZOMBIES, within=600,
    ),
    Mutation(
        "a first range of scores that is lost isn't missed", "agents.publisher:Publisher.take",
        "if content.start > expected:", "if expected and content.start > expected:", plan=_DROPS,
    ),
    Mutation(
        "intake chooses a round before the gate", "agents.intake:Intake._take",
        "        previous = self._round\n", "        previous, batch = self._round, self.fetched.round()\n",
        also=("            batch = self.fetched.round()\n", ""), plan=_GATE, first=700, within=1000,
    ),
    Mutation(
        "intake sends a round before the last is acknowledged", "agents.intake:Intake._send",
        "if previous is not None:", "if False:",
    ),
    Mutation(
        "intake doesn't miss a range that is lost", "agents.fetched:Fetched.round",
        "if content.start > position:", "if False:",
    ),
    Mutation(
        "a flush doesn't wait for the open round", "agents.intake:Intake.flush",
        "            if self._round is not None:\n                await asyncio.shield(self._round)\n", "",
    ),
    Mutation(
        "scores are committed before their alerts are written", "agents.publisher:Publisher._may_commit",
        "self._alerter.done(partition, upto)", "upto",
    ),
    Mutation(
        "alerts are forgotten when Redis doesn't take them", "agents.alerter:Alerter._write",
        "            part = [queue[i][1] for i in range(min(len(queue), MOST_PER_WRITE))]\n",
        "            part = [queue.popleft()[1]]\n", also=("            for _ in part:\n                queue.popleft()\n", ""),
    ),
    Mutation(
        "intake doesn't wait for what is defined", "agents.fetched:Fetched.round",
        "if known < last:", "if False:", plan=_UNHEARD,
    ),
    Mutation(
        "a campaign counts from when a worker hears of it", "streams.intake.campaigns:Watchlist.matches",
        "(broker_ms[event] >= self._since_ms[campaign]) & ", "", plan=_CAMPAIGNS,
    ),
    Mutation(
        "a campaign ends when a worker hears of it", "streams.intake.campaigns:Watchlist.matches",
        "(broker_ms[event] < self._ended_ms[campaign])", "(self._ended_ms[campaign] == _NEVER)", plan=_CAMPAIGNS,
    ),
    Mutation(
        "somebody is forgotten from when a worker hears of it", "streams.tables.forgotten:Forgotten.drops",
        "broker_ms >= np.minimum(since_ms[accounts.actor], since_ms[accounts.author])",
        "np.minimum(since_ms[accounts.actor], since_ms[accounts.author]) < _NEVER", plan=_FORGETS,
    ),
    Mutation(
        "rows of somebody forgotten come again", "streams.tables.keyed:KeyedRows.find_or_add",
        "        self.doom(new)\n", "", plan=_FORGETS,
    ),
    Mutation(
        "what named somebody forgotten isn't written again", "streams.tables.forgetting:look",
        "    table.dirty[told[names]] = True\n", "", plan=_FORGETS,
    ),
    Mutation(
        "changes go on to name somebody forgotten", "agents.discretion:Discretion.named_out",
        "(told := forgotten.named_out(record))", "(told := record)", plan=_FORGETS,
    ),
    Mutation(
        "a new owner publishes before it knows who is forgotten", "agents.discretion:Discretion.look",
        "if state.complete_until_s >= assignment or state.looks >= self._looks + 2:", "if True:", plan=_UNKNOWING,
    ),
    Mutation(
        "Redis doesn't note that who wrote didn't know who is forgotten", "streams.redis.scripts:script",
        "return files(\"streams.redis\").joinpath(f\"{name}.lua\").read_text()",
        "return files(\"streams.redis\").joinpath(f\"{name}.lua\").read_text().replace("
        "'if known ~= ARGV[10] then', 'if people(known) < people(ARGV[10]) then')", plan=_BEHIND,
    ),
    Mutation(
        "more is folded into rows whose changes a worker that died didn't tell", "agents.scorer:Scorer._write",
        "table.dirty[table.untold(p)] = True", "pass", plan=_ROW_CRASHES,
    ),
    Mutation(
        "nobody notices that a wiped Redis was filled by who had lost the partition", "streams.redis.signing:Signatures.signed",
        "return was_expected", "return True", within=600, plan=_WIPES,
    ),
    Mutation(
        "rows go before their scores", "agents.entity_writer:EntityWriter._send_part",
        "        changelog = self._app.changelog(self._app.entities, partition)\n",
        "        changelog = self._app.changelog(self._app.entities, partition)\n"
        "        await changelog.write(gone, nothing, state)\n", plan=_QUIET_FORGETS,
    ),
]  # fmt: skip


def is_found(mutation: Mutation) -> bool:
    """Return whether a schedule finds it, one that holds without it."""
    for seed in range(mutation.first, mutation.first + mutation.within):
        plan = replace(Plan.of(seed), **dict(mutation.plan))
        with mutated(mutation):
            violation = run(seed, plan).violation
        # A bug that only raises proves nothing.
        is_crash = violation is not None and ("Traceback" in violation or "exception came out" in violation)
        if violation is not None and not is_crash and run(seed, plan).violation is None:
            return True
    return False


@contextlib.contextmanager
def mutated(mutation: Mutation) -> Iterator[None]:
    """Have the bug in this process for a while."""
    name, _, path = mutation.where.partition(":")
    module: Any = importlib.import_module(name)
    holder, *rest = path.split(".")
    original = getattr(module, holder)
    owner, last = (original, rest[0]) if rest else (module, holder)
    original = getattr(owner, last)
    text = textwrap.dedent(inspect.getsource(inspect.unwrap(original)))
    old, new = mutation.old, mutation.new
    if rest:  # a method's text lost four columns
        old, new = _dedented(old), _dedented(new)
    if text.count(old) != 1:
        raise ValueError(
            f"{mutation.where} has {old!r} {text.count(old)} times, expected once: change the mutation with the code"
        )
    text = text.replace(old, new)
    if mutation.also[0]:
        if text.count(_dedented(mutation.also[0])) != 1:
            raise ValueError(f"{mutation.where} has not {mutation.also[0]!r} once: change the mutation with the code")
        text = text.replace(_dedented(mutation.also[0]), mutation.also[1])
    made: dict[str, Any] = {}
    exec(compile(text, f"<{mutation.name}>", "exec"), module.__dict__, made)
    places = [(owner, last)]
    if not rest:  # and wherever it was imported to
        places += [(m, last) for m in list(sys.modules.values()) if m is not module and getattr(m, last, None) is original]
    for place, attribute in places:
        setattr(place, attribute, made[last])
    try:
        yield
    finally:
        for place, attribute in places:
            setattr(place, attribute, original)


def _dedented(text: str) -> str:
    return "".join(line[4:] if line.startswith("    ") else line for line in text.splitlines(keepends=True))
