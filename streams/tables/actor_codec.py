r"""The actors changelog: rows keyed by the account's entity name, blocks of accepted event ids, and a marker per partition.

Row value: version u8, targets u8, ROW, TARGET[targets]. Keys that can't be an entity's name start with a zero byte:
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
from streams.columns.pool import laid_out, ragged
from streams.columns.records import picked, put
from streams.tables.actor_rows import OUTCOMES, ROW, TARGET, ActorRows, Inputs

VERSION = 1
MARKER_KEY = b"\x00marker"
IDS_KEY = b"\x00ids:"
_PREFIX = struct.Struct("<BB")
_HEAD = np.dtype([("version", "u1"), ("targets", "u1"), ("row", ROW)])


def encode_rows(table: ActorRows, rows: Rows) -> list[bytes]:
    """Return the changelog value of each row."""
    counts = table.targets.count[rows].astype(np.int64)
    head = np.empty(len(rows), dtype=_HEAD)
    head["version"], head["targets"] = VERSION, counts
    put(head["row"], slice(None), picked(table.rows, rows))
    return laid_out(head, [(table.targets.gather(rows)[0], counts)])


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
    """Apply changelog records of a partition in order: the last of a row, and all that is in markers and blocks of ids.

    A block whose last record is stale becomes dirty, to be written again.

    Raises:
        ValueError: a value is of another version.
    """
    latest: dict[bytes, bytes | None] = {}
    ids: dict[str, dict[bytes, list[bytes]]] = {}
    for key, value in zip(keys, values, strict=True):
        if not key.startswith(b"\x00"):
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


def decode_row(value: bytes) -> tuple[np.void, NDArray[np.void]]:
    """Return the row and the recent targets in a changelog value.

    Raises:
        ValueError: a value of another version.
    """
    _check_version(value)
    start, body = _PREFIX.size, _PREFIX.size + ROW.itemsize
    return np.frombuffer(value[start:body], ROW)[0], np.frombuffer(value[body:], TARGET)


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
    put(table.rows, rows, np.frombuffer(b"".join([v[start:body] for v in values]), ROW))
    targets = np.frombuffer(b"".join([v[body:] for v in values]), TARGET)
    starts = np.cumsum(counts) - counts
    table.targets.replace(rows, picked(targets, ragged(starts, counts)), counts)


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
