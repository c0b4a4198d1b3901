r"""The actors changelog: rows keyed by the account's entity name, blocks of accepted event ids, and a marker per partition.

Row value: version u8, targets u8, ROW, TARGET[targets]. The last entries have no target: they say how far the row is taken
(`TAKEN`). Keys that can't be an entity's name start with a zero byte:
`\0ids:TOPIC:SLOT` holds a block of the duplicate window, `\0marker` how far intake is durable.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np
import orjson
from numpy.typing import NDArray

from streams.columns.hashing import hash_names
from streams.columns.index import Rows
from streams.columns.pool import laid_out
from streams.columns.records import picked, put
from streams.tables.actor_rows import MOST_TARGETS, OUTCOMES, ROW, TARGET, ActorRows, Inputs

VERSION = 1
MARKER_KEY = b"\x00marker"
IDS_KEY = b"\x00ids:"
_PREFIX = struct.Struct("<BB")
# The kind of an entry that says how far a row is taken: `target` has the input topic's hash, `window` and `at` the low and high
# half of the offset after the last event that the row holds.
TAKEN = 254
_TAKEN_AT = TARGET.itemsize - TARGET.fields["window"][1]  # type: ignore[index]  # it has fields
_HEAD = np.dtype([("version", "u1"), ("targets", "u1"), ("row", ROW)])


def encode_rows(table: ActorRows, rows: Rows) -> list[bytes]:
    """Return the changelog value of each row."""
    counts = table.targets.count[rows].astype(np.int64)
    tails = [(table.targets.gather(rows)[0], counts)]
    for topic, offsets in table.taken.by_topic():
        mine = offsets[rows]
        # An earlier release has no room for more: of a full row it isn't known how far it is taken of the topics left out.
        has = ((mine > 0) & (sum(n for _, n in tails) < MOST_TARGETS)).astype(np.int64)
        entries = np.zeros(int(has.sum()), dtype=TARGET)
        entries["target"], entries["kind"] = topic, TAKEN
        entries["window"], entries["at"] = mine[has > 0] & 0xFFFFFFFF, mine[has > 0] >> 32
        tails.append((entries, has))
    head = np.empty(len(rows), dtype=_HEAD)
    head["version"], head["targets"] = VERSION, sum(n for _, n in tails)
    put(head["row"], slice(None), picked(table.rows, rows))
    return laid_out(head, tails)


def encode_marker(inputs: Inputs) -> bytes:
    """Return how far intake of a partition is: next offset and outcome counts per input topic, and when the log began."""
    sources = {t: {"position": s.position, **s.outcomes} for t, s in inputs.sources.items()}
    return orjson.dumps({"version": VERSION, "log_since": inputs.log_since, "sources": sources})


def take_id_blocks(inputs: Inputs) -> tuple[list[bytes], list[bytes]]:
    """Return the records of a partition's id blocks touched since the last call."""
    keys, values = [], []
    for topic, source in inputs.sources.items():
        for block in sorted(source.duplicates.dirty_blocks):
            slot, value = source.duplicates.encode_block(block)
            keys.append(IDS_KEY + topic.encode() + b":" + slot)
            values.append(value)
        source.duplicates.dirty_blocks.clear()
    return keys, values


def block_of(key: bytes) -> tuple[str, bytes]:
    """Return the input topic and the slot in the key of a block of ids."""
    topic, _, slot = key[len(IDS_KEY) :].rpartition(b":")
    return topic.decode(), slot


def load(table: ActorRows, keys: Sequence[bytes], values: Sequence[bytes | None], partition: int = 0) -> None:
    """Apply changelog records of a partition in order.

    Of a row that one counts which is taken furthest, and of several alike the last; of markers and blocks of ids all that is in
    them. A row or block whose last record is stale becomes dirty, to be written again.

    Raises:
        ValueError: a value is of another version.
    """
    latest: dict[bytes, bytes | None] = {}
    stale: set[bytes] = set()
    ids: dict[str, dict[bytes, list[bytes]]] = {}
    for key, value in zip(keys, values, strict=True):
        if not key.startswith(b"\x00"):
            before = latest.get(key)
            if before is not None and value is not None and _is_older(value, before):
                stale.add(key)  # a worker that had lost the partition wrote it
            else:
                stale.discard(key)
                latest[key] = value
        elif value is None:
            continue
        elif key == MARKER_KEY:
            _load_marker(table.inputs(partition), value)
        elif key.startswith(IDS_KEY):
            topic, slot = block_of(key)
            blocks = ids.setdefault(topic, {}).setdefault(slot, [])
            if blocks and value.startswith(blocks[-1]):  # as a block grows; the rest is not worth parsing again
                blocks[-1] = value
            else:
                blocks.append(value)
    for topic, written in ids.items():
        window = table.inputs(partition).source(topic).duplicates
        window.load([value for blocks in written.values() for value in blocks])
        window.write_again({slot: blocks[-1] for slot, blocks in written.items()}, only_if_stale=True)
    rows = [(key, value) for key, value in latest.items() if value is not None]
    gone = [key for key, value in latest.items() if value is None]
    if gone:
        found = table.find(*hash_names(gone), partition)
        table.remove(found[found >= 0])
    if rows:
        _load_rows(table, [k for k, _ in rows], [v for _, v in rows], partition)
    if stale:
        found = table.find(*hash_names(list(stale)), partition)
        table.dirty[found[found >= 0]] = True


def decode_row(value: bytes) -> tuple[np.void, NDArray[np.void]]:
    """Return the row and the recent targets in a changelog value.

    Raises:
        ValueError: a value of another version.
    """
    _check_version(value)
    start, body = _PREFIX.size, _PREFIX.size + ROW.itemsize
    entries = np.frombuffer(value[body:], TARGET)
    return np.frombuffer(value[start:body], ROW)[0], entries[entries["kind"] != TAKEN]


def says_taken(value: bytes) -> bool:
    """Return whether a row's value says how far it is taken; those of earlier releases don't."""
    return value[1] > 0 and value[-2] == TAKEN


def _is_older(value: bytes, before: bytes) -> bool:
    """Return whether a row's value is taken less far than one before it; where either doesn't say, later is newer."""
    if not says_taken(value) or not says_taken(before):
        return False
    mine, theirs = _taken_of(value), _taken_of(before)
    topics = {
        topic
        for topic in mine.keys() | theirs.keys()
        if (topic in mine or value[1] < MOST_TARGETS) and (topic in theirs or before[1] < MOST_TARGETS)
    }
    behind = [mine.get(topic, 0) - theirs.get(topic, 0) for topic in topics]
    return min(behind, default=0) < 0 and max(behind) <= 0


def _taken_of(value: bytes) -> dict[bytes, int]:
    """Return how far a row's value is taken, by topic: its last entries."""
    taken, end = {}, len(value)
    while end > _PREFIX.size + ROW.itemsize and value[end - 2] == TAKEN:
        at = end - _TAKEN_AT
        taken[value[end - TARGET.itemsize : at]] = int.from_bytes(value[at : at + 8], "little")
        end -= TARGET.itemsize
    return taken


def _check_version(value: bytes) -> None:
    if value[0] != VERSION:
        raise ValueError(f"actor row of version {value[0]}; expected {VERSION}: a newer release wrote this changelog")


def _load_rows(table: ActorRows, keys: list[bytes], values: list[bytes], partition: int) -> None:
    start, body = _PREFIX.size, _PREFIX.size + ROW.itemsize
    counts = np.empty(len(values), dtype=np.int64)
    for i, value in enumerate(values):
        _check_version(value)
        counts[i] = value[1]
    lo, hi = hash_names(keys)
    rows, _ = table.find_or_add(lo, hi, keys, np.arange(len(keys)), partition)
    states = np.frombuffer(b"".join([v[start:body] for v in values]), ROW)
    entries = np.frombuffer(b"".join([v[body:] for v in values]), TARGET)
    owner = np.arange(len(rows)).repeat(counts)
    is_taken = entries["kind"] == TAKEN
    newer = _take_over(table, partition, rows, picked(entries, is_taken), owner[is_taken], counts < MOST_TARGETS)
    kept = ~is_taken & newer[owner]
    put(table.rows, rows[newer], picked(states, newer))
    table.targets.replace(rows[newer], picked(entries, kept), np.bincount(owner[kept], minlength=len(rows))[newer])


def _take_over(
    table: ActorRows, partition: int, rows: Rows, taken: NDArray[np.void], owner: Rows, has_room: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Note how far rows that are read are taken; return which are to be kept, shape (rows,).

    Those aren't that are taken less far than what is here: they become dirty, to be written again. Only a row that has room for
    another entry holds nothing of a topic that it doesn't name.
    """
    offsets = taken["window"].astype(np.int64) | taken["at"].astype(np.int64) << 32
    says, older = np.zeros(len(rows), dtype=bool), np.zeros(len(rows), dtype=bool)
    says[owner] = True
    read: dict[int, NDArray[np.int64]] = {}
    for topic in {*np.unique(taken["target"]).tolist(), *(topic for topic, _ in table.taken.by_topic())}:
        some = taken["target"] == topic
        mine = read[topic] = np.zeros(len(rows), dtype=np.int64)
        mine[owner[some]] = offsets[some]
        held = table.taken.of_hash(topic)[rows]
        is_unknown = (mine == 0) & ~has_room
        mine[is_unknown] = held[is_unknown]
        older |= mine < held
    newer = ~(says & older)
    table.dirty[rows[~newer]] = True
    in_rows = table.inputs(partition).in_rows
    for topic, mine in read.items():
        table.taken.of_hash(topic)[rows[newer]] = mine[newer]
        in_rows[topic] = max(in_rows.get(topic, 0), int(mine.max(initial=0)))
    return newer


def _load_marker(inputs: Inputs, value: bytes) -> None:
    marker = orjson.loads(value)
    if marker["version"] != VERSION:
        raise ValueError(
            f"actors marker of version {marker['version']}; expected {VERSION}: a newer release wrote this changelog"
        )
    inputs.log_since = min(filter(None, (inputs.log_since, marker["log_since"])), default=0.0)
    for topic, state in marker["sources"].items():
        source = inputs.source(topic)
        if state["position"] >= source.position:
            source.position = state["position"]
            source.outcomes = {name: state.get(name, 0) for name in OUTCOMES}  # an earlier release knew fewer
