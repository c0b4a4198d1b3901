"""A recount of the input topics: exact integers per entity, and what became of every event."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from kafka.partitioner.default import murmur2

from streams.kafka.reading import Record
from streams.kafka.topics import beginning_offsets, end_offsets, read_topic
from streams.settings import Settings
from streams.verify.campaigns import Campaigns
from streams.verify.digests import Digests, hash_of
from streams.verify.event import Event, parse
from streams.verify.forgotten import Forgotten

DUPLICATE_WINDOW = 1_000_000  # offsets
Coordinate = tuple[str, int, int]
_ESCAPES = {ord(c): f"%{ord(c):02X}" for c in "%@{}"}


@dataclass
class Inputs:
    """What the input topics hold, as far as they are retained.

    `counts` has posts, likes, shares and replies by entity name, `refused` the bytes of each refused record; `is_whole` says
    that nothing was deleted at the beginning. `undone` are entities something was taken back from.
    """

    counts: dict[str, list[int]] = field(default_factory=dict)
    undone: set[str] = field(default_factory=set)
    outcomes: Counter[str] = field(default_factory=Counter)
    refused: dict[Coordinate, bytes] = field(default_factory=dict)
    ends: dict[tuple[str, int], int] = field(default_factory=dict)
    events: int = 0
    is_whole: bool = True
    campaigns: Campaigns = field(default_factory=Campaigns)
    forgotten: Forgotten = field(default_factory=Forgotten)
    digests: Digests = field(default_factory=Digests)

    def tell(self, record: Record) -> None:
        """Take the next record of the control topic."""
        self.campaigns.tell(record.key, record.value, record.timestamp)
        self.forgotten.tell(record.key, record.value, record.timestamp)


class _Accepted:
    """Which (id, undo) were accepted at most a window ago, in two generations so that old ones are forgotten."""

    def __init__(self) -> None:
        self._generation = 0
        self._offsets: list[dict[tuple[str, bool], int]] = [{}, {}]

    def accept(self, event: Event, offset: int) -> bool:
        """Return whether the event is no duplicate, and remember it then."""
        generation = offset // DUPLICATE_WINDOW
        if generation > self._generation:
            self._offsets = [{}, self._offsets[0] if generation == self._generation + 1 else {}]
            self._generation = generation
        identity = (event.id, event.is_undo)
        for held in self._offsets:
            before = held.get(identity)
            if before is not None and offset - before <= DUPLICATE_WINDOW:
                return False
        self._offsets[0][identity] = offset
        return True


def recount_inputs(settings: Settings, progress: Callable[[int], None]) -> Inputs:
    """Read all input topics up to the end they have now.

    Args:
        settings: names of the topics, and how events fan out.
        progress: called with the number of records read since the last call.
    """
    inputs = Inputs()
    all_ends = {topic: end_offsets(settings, topic) for topic in settings.topic_names}
    for record in read_topic(settings, settings.control_topic):  # after the ends: what events before them count for is then there
        inputs.tell(record)
    for topic, ends in all_ends.items():
        inputs.ends.update({(topic, p): end for p, end in ends.items()})
        inputs.is_whole &= not any(beginning_offsets(settings, topic).values())
        unreported = 0
        records = read_topic(settings, topic, ends=ends)
        for _ in recounted(topic, records, inputs, settings):
            unreported += 1
            if unreported == 5000:
                progress(unreported)
                unreported = 0
        progress(unreported)
    return inputs


def recounted(topic: str, records: Iterable[Record], inputs: Inputs, settings: Settings) -> Iterator[Record]:
    """Add records of an input topic, those of a partition in offset order, to `inputs`; yield each when it is counted."""
    for record, event, outcome in _judged(records, inputs.forgotten):
        inputs.events += 1
        inputs.outcomes[outcome] += 1
        if event is None:
            inputs.refused[topic, record.partition, record.offset] = record.value or b""
        elif outcome == "applied":
            inputs.outcomes["clamped"] += event.at > record.timestamp / 1000
            inputs.outcomes["misplaced"] += _home(event.actor, settings.partitions) != record.partition
            entities = _count(inputs, event, record.timestamp, settings)
            actor, at = hash_of(b"account:%b" % escaped(event.actor).encode()), min(event.at, record.timestamp / 1000)
            inputs.digests.add((topic, record.partition), record.offset, actor, event.kind | event.is_undo << 2, at, entities)
        yield record


def accepted_events(records: Iterable[Record], forgotten: Forgotten) -> Iterator[tuple[Record, Event]]:
    """Yield the events of an input topic that count, with their records: those of a partition in offset order."""
    for record, event, outcome in _judged(records, forgotten):
        if event is not None and outcome == "applied":
            yield record, event


def _judged(records: Iterable[Record], forgotten: Forgotten) -> Iterator[tuple[Record, Event | None, str]]:
    accepted: defaultdict[int, _Accepted] = defaultdict(_Accepted)
    for record in records:
        event = parse(record.value)
        if event is None:
            yield record, None, "refused"
        elif event.is_self:
            yield record, event, "self"
        elif not accepted[record.partition].accept(event, record.offset):
            yield record, event, "duplicate"
        elif forgotten.drops(event, record.timestamp):
            yield record, event, "forgotten"
        else:
            yield record, event, "applied"


def _count(inputs: Inputs, event: Event, broker_ms: int, settings: Settings) -> int:
    """Count an event for every entity that it is for; return for how many."""
    account = "account:" + escaped(event.author)
    targets = [account]
    if settings.topics_enabled:
        for tag in _first_distinct(event.tags, settings.max_tags):
            topic = "topic:" + escaped(tag)
            targets += (topic, f"{account}@{topic}")
    for campaign in inputs.campaigns.entities_of(event, broker_ms):
        targets += (campaign, f"{account}@{campaign}")
    for name in targets:
        counts = inputs.counts.get(name)
        if counts is None:
            counts = inputs.counts[name] = [0, 0, 0, 0]
        if event.is_undo:
            inputs.undone.add(name)
            counts[event.kind] -= 1
        else:
            counts[event.kind] += 1
    return len(targets)


def _first_distinct(tags: Iterable[str], most: int) -> list[str]:
    return list(dict.fromkeys(tags))[:most]


@lru_cache(200_000)
def escaped(text: str) -> str:
    """Return an id as it stands in an entity's name."""
    return text.translate(_ESCAPES)


@lru_cache(200_000)
def _home(key: str, partitions: int) -> int:
    """Return where Kafka's default partitioner places a key."""
    return int(murmur2(key.encode()) & 0x7FFFFFFF) % partitions


def home_of(entity: str, partitions: int) -> int:
    """Return the partition of an entity: an account's by its raw id, any other by its name."""
    head = entity.partition("@")[0]
    if not head.startswith("account:"):
        return _home(entity, partitions)
    raw = head.removeprefix("account:")
    for code, escape in _ESCAPES.items():
        if chr(code) != "%":
            raw = raw.replace(escape, chr(code))
    return _home(raw.replace("%25", "%"), partitions)
