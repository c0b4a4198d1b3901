"""What must hold at every moment: commits, and what those see who listen to Redis."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

import numpy as np
import orjson
from faust.types import TP

from streams.events.engagements import decode
from streams.tables.marker import MARKER_KEY, Marker
from streams.verify import inputs as verify_inputs
from streams.verify.event import parse
from streams.verify.inputs import Inputs, recounted

from .group import Group
from .log import Log, Record
from .plan import Plan
from .rules import due
from .store import Store, entry_of
from .world import Violation, World

_VER = re.compile(rb'"ver":(-?\d+)')
_ID = np.dtype([("offset", "<i8"), ("previous", "<i8"), ("lo", "<u8"), ("hi", "<u8")])
_NO_SCORE = 1.0  # of an entity of which nothing was told


class Watch:
    """Follows the log as it grows, independently of the workers."""

    def __init__(self, world: World, plan: Plan, log: Log, store: Store, group: Group) -> None:
        self._world, self._log, self._store, self._group = world, log, store, group
        self._settings = plan.settings()
        self.inputs = Inputs()
        self._wanted: dict[TP, dict[int, list[str]]] = defaultdict(dict)  # event -> entities it must have engagements for
        self._refused: dict[TP, list[int]] = defaultdict(list)
        self._counters: dict[str, Any] = {}
        self._engaged: set[tuple[str, int, int, str]] = set()
        self._applied: dict[tuple[int, str, int], int] = {}  # H by engagements partition and source
        self._named: dict[int, list[tuple[int, set[bytes]]]] = defaultdict(list)
        self._letters: set[bytes] = set()
        self._rows: dict[tuple[int, bytes], int] = {}  # highest off written
        self._folded: dict[int, int] = {}
        self._scores: dict[tuple[int, bytes], int] = {}
        self._ids: dict[TP, set[int]] = defaultdict(set)
        self._positions: dict[TP, int] = defaultdict(int)
        self._seen: dict[str, dict[str, int]] = {"feed": {}, "wake-up": {}}
        self._may_repeat: set[str] = set()  # entities of which the last wake-up may be told again
        self._last_id: dict[str, tuple[int, int]] = {}
        # Entity -> version of a change -> the score before it and after it, as each worker told of it.
        self._changes: dict[str, dict[int, set[tuple[float, float]]]] = defaultdict(dict)
        self._gone: dict[str, int] = {}  # entity -> version up to which its changes went with it, told or not
        self._compacted: set[tuple[str, int]] = set()  # entity and version of changes that only who had read them can tell
        self._told_upto: dict[str, int] = {}  # entity -> version up to which the feed told of its changes, before a wipe or since
        self.reasoned: dict[str, int] = {}  # entity -> version of the newest statement there must be; since the last wipe
        self._alerted: dict[tuple[str, str], int] = {}  # rule and entity -> highest version of an alert
        self._alert_ids: set[str] = set()  # since the last wipe
        self._stands: dict[str, bool] = {}  # entity -> whether it entered the first places last, or left; since the last wipe
        self._by_topic = {
            self._settings.engagements_topic: self._engagements,
            self._settings.scores_topic: self._score,
            self._settings.dead_letters_topic: self._letter,
            self._settings.entities_changelog: self._row,
            self._settings.actors_changelog: self._actor,
            self._settings.control_topic: self.inputs.tell,
            **dict.fromkeys(self._settings.topic_names, self._event),
        }
        log.on_append = lambda record: self._by_topic[record.topic](record)
        store.on_change = self._changed
        store.on_alert = lambda value: self._saw_alert(orjson.loads(value))
        store.on_message = lambda value: self._saw("wake-up", orjson.loads(value))

    def _event(self, record: Record) -> None:
        inputs, tp = self.inputs, TP(record.topic, record.partition)
        feed = self._counters.get(record.topic)
        if feed is None:
            feed = self._counters[record.topic] = _Feed(record.topic, inputs, self._settings)
        before = inputs.outcomes["applied"]
        feed.add(record)
        if inputs.outcomes["applied"] > before:
            event = parse(record.value)
            assert event is not None
            account = f"account:{event.author}"
            scopes = [f"topic:{tag.replace('@', '%40')}" for tag in event.tags]
            scopes += inputs.campaigns.entities_of(event, record.timestamp)
            self._wanted[tp][record.offset] = [account, *(n for scope in scopes for n in (scope, f"{account}@{scope}"))]
        elif (record.topic, record.partition, record.offset) in inputs.refused:
            self._refused[tp].append(record.offset)

    def _engagements(self, record: Record) -> None:
        batch = decode(record.value or b"")
        names = batch.names.tolist()
        source = (record.partition, batch.source_topic, batch.source_partition)
        offsets = batch.offsets.tolist()
        applied = self._applied.get(source, -1)
        fresh: set[bytes] = set()
        for e, target in zip(offsets, batch.target.tolist(), strict=True):
            self._engaged.add((batch.source_topic, batch.source_partition, e, names[target].decode()))
            if e > applied:
                fresh.add(names[target])
        self._applied[source] = max(applied, *offsets)
        self._named[record.partition].append((record.offset, fresh))

    def _letter(self, record: Record) -> None:
        self._letters.add(record.key or b"")

    def _row(self, record: Record) -> None:
        if record.key == MARKER_KEY:
            self._folded[record.partition] = max(
                self._folded.get(record.partition, -1), Marker.decode(record.value or b"").folded
            )
        elif record.value is not None and record.key is not None and not record.key.startswith(b"\x00"):
            key = (record.partition, record.key)
            self._rows[key] = max(self._rows.get(key, -1), int.from_bytes(record.value[4:12], "little", signed=True))

    def _actor(self, record: Record) -> None:
        key, value = record.key or b"", record.value or b""
        if key.startswith(b"\x00ids:"):
            tp = TP(key[5:].rpartition(b":")[0].decode(), record.partition)
            entries = np.frombuffer(value, _ID)
            # An id that came again after the window stands at its later offset, which remembers the earlier.
            self._ids[tp].update(entries["offset"].tolist(), entries["previous"].tolist())
        elif key == b"\x00marker":
            for topic, state in orjson.loads(value)["sources"].items():
                tp = TP(topic, record.partition)
                self._positions[tp] = max(self._positions[tp], state["position"])

    def _score(self, record: Record) -> None:
        name, found = (record.key or b"").decode(), _VER.search(record.value or b"")
        if found is None:
            self._gone[name] = max(self._changes[name], default=-1)
            self.reasoned.pop(name, None)
            return
        key, ver = (record.partition, name.encode()), int(found[1])
        self._scores[key] = max(self._scores.get(key, -1), ver)
        change = orjson.loads(record.value or b"").get("change")
        if change is not None:
            # It begins where an earlier one ended. Were that in a row only, it would be told by nobody.
            told = self._changes[name]
            begins = [_NO_SCORE, *(after for v, said in told.items() if v < ver for _, after in said)]
            if not any(abs(change["before"] - score) <= 1e-3 for score in begins):
                raise Violation(f"a change of {name} at version {ver} begins where none ended: {change}, before it {told}")
            told.setdefault(ver, set()).add((change["before"], change["after"]))

    def committed(self, tp: TP, before: int, offset: int) -> None:
        """Check that nothing is committed whose effects could be lost (invariant 6)."""
        if offset > self._log[tp].end:
            raise Violation(f"{_show(tp)}: {offset} is committed, the end is {self._log[tp].end}")
        if tp.topic in self._settings.topic_names:
            self._input_committed(tp, before, offset)
        elif tp.topic == self._settings.engagements_topic:
            self._engagements_committed(tp, before, offset)
        elif tp.topic == self._settings.scores_topic:
            self._scores_committed(tp, before, offset)

    def _input_committed(self, tp: TP, before: int, offset: int) -> None:
        for e in range(before, offset):
            for entity in self._wanted[tp].get(e, ()):
                if (*tp, e, entity) not in self._engaged:
                    raise Violation(f"{_show(tp)}@{e} is committed, but no engagement of {entity} is in the log")
            # Kept for two windows: of an id that came again after one, and again after another, the first is needed no more.
            is_kept = offset - e <= 2 * verify_inputs.DUPLICATE_WINDOW
            if is_kept and e in self._wanted[tp] and e not in self._ids[tp]:
                raise Violation(f"{_show(tp)}@{e} is committed, but its id isn't in the changelog")
        for e in self._refused[tp]:
            if before <= e < offset and b"%b[%d]@%d" % (tp.topic.encode(), tp.partition, e) not in self._letters:
                raise Violation(f"{_show(tp)}@{e} is committed, but has no dead letter")
        if self._positions[tp] < offset:
            raise Violation(f"{_show(tp)}: {offset} is committed, the marker says {self._positions[tp]}")

    def _engagements_committed(self, tp: TP, before: int, offset: int) -> None:
        p = tp.partition
        if self._folded.get(p, -1) + 1 < offset:
            raise Violation(f"{_show(tp)}: {offset} is committed, the marker says {self._folded.get(p)}")
        for o, names in self._named[p]:
            for name in names if before <= o < offset else ():
                if self.inputs.forgotten.has(name.decode()):
                    continue
                if self._rows.get((p, name), -1) < o:
                    raise Violation(f"{_show(tp)}@{o} is committed, but the row of {name!r} isn't in the changelog")
                if self._scores.get((p, name), -1) < o:
                    raise Violation(f"{_show(tp)}@{o} is committed, but the score of {name!r} isn't in its topic")

    def _scores_committed(self, tp: TP, before: int, offset: int) -> None:
        for record in self._log[tp].read(before, end=offset):
            if self.inputs.forgotten.has((record.key or b"").decode()):
                continue
            score = orjson.loads(record.value) if record.value else None
            for rule, entity in due(score) if score else ():
                if self._alerted.get((rule, entity), -1) < (score["ver"] if rule == "crosses" else 0):
                    raise Violation(f"{_show(tp)}@{record.offset} is committed, but rule {rule} said nothing of {entity}")
        data, prefix = self._store.data, self._settings.redis_prefix
        if prefix + "epoch" not in data:
            return  # it was wiped: a rebuild writes what the tables hold
        for record in self._log[tp].read(before, end=offset):
            if self.inputs.forgotten.has((record.key or b"").decode()):
                continue
            found = _VER.search(record.value or b"")
            held = data.get(f"{prefix}score:{(record.key or b'').decode()}", {}).get("ver", -1)
            if found is not None and int(held) < int(found[1]):
                raise Violation(f"{_show(tp)}@{record.offset} is committed, but Redis has {record.key!r} at {held}")

    def _changed(self, key: str, entry: str, value: str) -> None:
        """A client reads the stream from the last id it saw; after a wipe too."""
        self._told(orjson.loads(value))
        number = entry_of(entry)
        if number > self._last_id.get(key, (-1, 0)):
            self._last_id[key] = number
            self._saw("feed", orjson.loads(value))

    def _told(self, change: dict[str, Any]) -> None:
        """Check that a change ends as one of its entity's, and begins no later than the first of those that weren't told yet."""
        entity, ver = change["entity"], change["ver"]
        changes, upto = self._changes[entity], self._upto(entity)
        if not any(abs(after - change["after"]) <= 1e-3 for _, after in changes.get(ver, ())):
            raise Violation(f"the feed tells of {entity} what is no change of it, those are {changes}: {change}")
        missing = [v for v in changes if upto < v < ver and (entity, v) not in self._compacted]
        # Those that waited together are told as one; one that a crash had told again may begin with what was told already, and
        # one of a worker that didn't see another's changes between with the last that it saw.
        begins = {before for v, told in changes.items() if missing and v <= min(missing) for before, _ in told}
        begins |= {after for v, told in changes.items() if missing and v < min(missing) for _, after in told}
        if missing and change["before"] not in begins:
            raise Violation(f"the feed tells of {entity} after version {upto} what left out those of {sorted(missing)}: {change}")
        self._told_upto[entity] = max(upto, ver)
        self.reasoned[entity] = ver

    def compacted(self) -> None:
        """Note the changes that are gone from the scores topic."""
        scores = self._log.topic(self._settings.scores_topic)
        left = {(r.key, found[1]) for r in scores if b'"change"' in (r.value or b"") and (found := _VER.search(r.value or b""))}
        changes = ((entity, ver) for entity, versions in self._changes.items() for ver in versions)
        self._compacted = {(entity, ver) for entity, ver in changes if (entity.encode(), b"%d" % ver) not in left}

    def _upto(self, entity: str) -> int:
        return max(self._told_upto.get(entity, -1), self._gone.get(entity, -1))

    def check_told(self) -> None:
        """Check that every change was told, and stands first among the reasons, unless Redis was wiped since."""
        data, prefix = self._store.data, self._settings.redis_prefix
        for entity, changes in self._changes.items():
            upto, told = self._upto(entity), self.reasoned.get(entity)
            if self.inputs.forgotten.has(entity):
                continue
            if any(v > upto and (entity, v) not in self._compacted for v in changes):
                raise Violation(f"the feed told of {entity} up to version {upto} only: its changes are {changes}")
            why = [orjson.loads(text)["ver"] for text in data.get(f"{prefix}why:{entity}", ())]
            if not self.inputs.forgotten and told not in (None, *why[:1]):
                raise Violation(f"the feed told of {entity} at version {told} last, its reasons are of {why}")

    def wiped(self) -> None:
        """Redis forgot which versions it told of: who reads of one again may tell of it once more."""
        self._seen["feed"].clear()
        self._may_repeat = set(self._seen["wake-up"])
        self.reasoned.clear()
        self._alert_ids.clear()
        self._stands.clear()

    def _saw_alert(self, alert: dict[str, Any]) -> None:
        # That somebody forgotten was alerted of is forgotten, too: who doesn't know yet that they are may say it again.
        if alert["id"] in self._alert_ids and not self.inputs.forgotten.has(alert["entity"]):
            raise Violation(f"alert {alert['id']} of rule {alert['rule']} and {alert['entity']} was written twice")
        self._alert_ids.add(alert["id"])
        if alert["kind"] == "top":
            # Somebody forgotten leaves without a word.
            if self._stands.get(alert["entity"]) is alert["entered"] and not self.inputs.forgotten.has(alert["entity"]):
                raise Violation(f"{alert['entity']} was alerted to have entered or left twice in a row: {alert}")
            self._stands[alert["entity"]] = alert["entered"]
            return
        key = alert["rule"], alert["entity"]
        self._alerted[key] = max(self._alerted.get(key, -1), alert["ver"])

    def _saw(self, where: str, change: dict[str, Any]) -> None:
        entity, ver = change["entity"], change["ver"]
        before, may_repeat = self._seen[where].get(entity, -1), where == "wake-up" and entity in self._may_repeat
        # That somebody forgotten was told of is forgotten, too: one outside the group that doesn't know yet may say it again.
        may_repeat |= self.inputs.forgotten.has(entity) and self._world.running not in self._group.members
        if ver <= before and not may_repeat:
            raise Violation(f"the {where} told of {entity} at version {ver} after version {before}")
        self._seen[where][entity] = ver
        if where == "wake-up":
            self._may_repeat.discard(entity)
        residual = change["after"] - change["before"] - sum(reason["points"] for reason in change["causes"])
        if abs(residual) > 1e-9:
            raise Violation(f"the reasons of {entity} at version {ver} are {residual:.4f} short of its change: {change}")


class _Feed:
    """One topic's recount, fed record by record."""

    def __init__(self, topic: str, inputs: Inputs, settings: Any) -> None:
        self._waiting: list[Record] = []
        self._counted = recounted(topic, iter(self._waiting.pop, None), inputs, settings)

    def add(self, record: Record) -> None:
        self._waiting.append(record)
        next(self._counted)


def _show(tp: TP) -> str:
    return f"{tp.topic}[{tp.partition}]"
